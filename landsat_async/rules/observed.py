"""What a run has seen of the service and its hosts, as facts without ids, links, names or tokens.

Much of how USGS behaves is documented nowhere. A fact is a topic of ours and a value in words of ours; of foreign texts
only what has a fixed form or stands in a vocabulary gets into a value. So a list of facts can be shown to anybody.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

VALUES_MOST = 24
"""Different values of one topic at one host; what comes later is counted under `OTHERS`."""
HOSTS_MOST = 12
NOTED_MOST = 1024
"""So much is kept until it is counted, once a second in a run; what comes on top of it pushes the oldest out."""
OTHERS = "others"
HIDDEN = "..."
_CHARS_MOST = 80
_DIGITS_OF_A_HOST = 4
"""m2m.cr.usgs.gov has one; a name with more could be made of an id."""

TOPICS: Mapping[str, str] = {
    "links": "age of links when they were used, in seconds",
    "link refused": "what an old or refused link answered",
    "staged links": "what the link of a file that was being prepared answered",
    "head": "headers of files",
    "validators": "validators of files",
    "ranges": "answers to ranges",
    "names": "names in headers",
    "redirects": "redirects",
    "server": "server and version of HTTP",
    "repeat": "the same file once more",
    "tar": "layout of tars",
    "tiff": "layout of TIFFs",
    "rate": "speed of one file, in KiB a second",
    "connections": "files at a time when the host pushed back",
    "error": "codes and texts of errors",
    "limits": "limits, and Retry-After",
    "time": "time of an answer, in seconds",
    "session": "keys and logins",
    "search": "answers to scene-search",
    "list": "answers to scene-list-add",
    "options": "answers to download-options",
    "request": "answers to download-request",
    "retrieve": "answers to download-retrieve",
    "preparing": "time of preparation, in seconds",
}
"""What is noted, and how it is called."""

_VALUE = re.compile(r"[A-Za-z0-9 ,.:;/()%+=_|-]{1,80}")
_LIKE_AN_ID = re.compile(
    r"(?i)L[COTEMF]\w?\d{2}_|L[COTEMF]\d{5,}|[A-Z0-9]*\d{7,}|(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{10,}|https?:|@|\w{36,}"
)
_WORDS = """
a access account accounts active agreed allowed already an and api application are at available be because been
bulk busy by call calls can cannot code concurrent contact could currently data dataset datasets deleted denied
disabled does down download downloads due duplicate endpoint entity error exceed exceeded exist exists expired
export failed failure field file filter for found from gateway group has have id ids in input internal invalid
is item items key later length limit limits list lists login maintenance many match maximum may method minute
minutes missing more must name no not number object of on one only or order over parameter password pending per
permission permissions please prepared preparing previous problem processed processing product products proxied
queue queued ready rate reached record records refused request requested requests required retry role running
scene scenes search seconds server service session simultaneous staged staging status system temporarily text
that the their there this time timed to token too try unable unauthorized unavailable unexpected unknown
unsupported use used user username users valid value version wait was were with you your
"""
_VOCABULARY = frozenset(_WORDS.split())


class Fact(NamedTuple):
    """One thing that was seen once, or several times."""

    topic: str
    """One of `TOPICS`."""
    value: str
    number: float | None = None
    """An age, a speed, a count; None where the value says it all."""
    most: float | None = None
    """The greatest number of several times, of which `number` is the least; None: there is one number."""
    times: int = 1


Noted: TypeAlias = tuple[str, Iterable[Fact]]
"""A host, and what it has shown; to be iterated over once, now or later."""
Note: TypeAlias = Callable[[Noted], None]


class Seen(NamedTuple):
    """How often a value was seen."""

    times: int
    low: float | None
    """Of the numbers; None without any."""
    high: float | None


class Observations:
    """Counts facts, by host. Bounded: neither the number nor the length of what is kept grows with a run.

    Nothing is counted in the way of a file: what is noted waits, and generators of facts do not even begin before
    all of them are counted together.
    """

    def __init__(self) -> None:
        self._noted: deque[Noted] = deque(maxlen=NOTED_MOST)
        self.note: Note = self._noted.append
        """Keeps facts about a host, to be counted later; for any thread."""
        self._seen: dict[tuple[str, str, str], Seen] = {}
        self._values: dict[tuple[str, str], set[str]] = {}
        self._hosts: set[str] = set()

    def count(self) -> None:
        """Count what has been noted so far; in one thread."""
        for _ in range(len(self._noted)):
            self._count(*self._noted.popleft())

    def _count(self, host: str, facts: Iterable[Fact]) -> None:
        place = host_text(host)
        if place not in self._hosts:
            if len(self._hosts) >= HOSTS_MOST:
                return
            self._hosts.add(place)
        for topic, value, number, most, times in facts:
            if topic not in TOPICS:
                continue
            text = safe(value)
            values = self._values.setdefault((place, topic), set())
            if text not in values:
                if len(values) >= VALUES_MOST:
                    text = OTHERS
                values.add(text)
            before, *figures = self._seen.get((place, topic, text), (0, None, None))
            figures += [round(float(one), 3) for one in (number, most) if one is not None and math.isfinite(one)]
            known = [one for one in figures if one is not None]
            self._seen[place, topic, text] = Seen(before + times, min(known, default=None), max(known, default=None))

    def take(self) -> dict[tuple[str, str, str], Seen]:
        """Return what has been counted since the last call, by (host, topic, value)."""
        self.count()
        taken, self._seen = self._seen, {}
        return taken


@lru_cache(maxsize=256)
def host_text(host: str) -> str:
    """Return a host as it may be shown: hosts of USGS by their name, all others by their kind."""
    name = host.lower().rsplit(":", 1)[0] if host.count(":") == 1 else host.lower()
    digits = sum(letter.isdigit() for letter in name)
    if digits <= _DIGITS_OF_A_HOST and re.fullmatch(r"(?:[a-z][a-z0-9-]{0,20}\.){1,3}usgs\.gov", name):
        return name
    try:
        loopback = name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    return "this computer" if loopback else "another host"


@lru_cache(maxsize=1024)
def safe(value: str) -> str:
    """Return a value as it may be kept and shown; `HIDDEN` for one that could hold an id, a link or a token."""
    if not _VALUE.fullmatch(value) or _LIKE_AN_ID.search(value):
        return HIDDEN
    return value


def words_of(text: str) -> str:
    """Return the words of a foreign text that stand in a vocabulary, "..." for each run of others."""
    kept: list[str] = []
    for word in re.findall(r"[^\s,.;:!?\"'()]+", text[:400]):
        known = word.lower() if word.lower() in _VOCABULARY else HIDDEN
        if known != HIDDEN or kept[-1:] != [HIDDEN]:
            kept.append(known)
    while kept and len(" ".join(kept)) > _CHARS_MOST - 20:
        kept.pop()
    return " ".join(kept)


def code_of(text: str, form: str = r"[A-Z][A-Z_]{1,39}") -> str:
    """Return a foreign code that has its usual form; "..." for any other."""
    return text if re.fullmatch(form, text) else HIDDEN
