"""What transfers show of file hosts, a sample of it: the first answers and files of each host, and all that is odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from yarl import URL

from landsat_async.proof.byte_view import Read
from landsat_async.proof.kinds import kind_of
from landsat_async.proof.layout_facts import facts_of_file
from landsat_async.proof.prove import Proved
from landsat_async.rules.observed import Fact
from landsat_async.transfer.head_facts import facts_of_head
from landsat_async.transfer.headers import Reply
from landsat_async.transfer.link_policy import is_staging

HEADS_SEEN = 64
"""So many usual answers of a host are looked at, and of later ones every 64th."""
FILES_SEEN = 8
"""So many files of each kind and host."""


class HostObserver:
    """Hands facts on; one for all transfers of a run. Methods may be called from threads."""

    def __init__(self, tell: Callable[[str, Iterable[Fact]], None] | None = None) -> None:
        self._tell = tell
        self._looked_at: Counter[str] = Counter()

    def note(self, host: str, *facts: Fact) -> None:
        """Hand facts about a host on."""
        if self._tell is not None:
            self._tell(host, facts)

    def head(
        self, host: str, reply: Reply, headers: Mapping[str, str], sent: Mapping[str, str], name: str | None, url: URL
    ) -> None:
        """Hand on what the head of an answer shows."""
        if self._tell is None:
            return
        self._looked_at[host] += 1
        number = self._looked_at[host]
        if reply.status == 200 and number > HEADS_SEEN and number % HEADS_SEEN:
            return
        named = name is not None and reply.filename == name
        kind = kind_of(name or "").name.lower()
        self._tell(host, facts_of_head(reply, headers, sent, named=named, kind=kind, staging=is_staging(url)))

    def file(self, host: str, read: Read, size_bytes: int, name: str, proved: Proved) -> None:
        """Hand on how a file is laid out that has passed its proof. Raises OSError of `read`."""
        if self._tell is None:
            return
        place = f"{kind_of(name).name} of {host}"
        self._looked_at[place] += 1
        if self._looked_at[place] <= FILES_SEEN:
            self._tell(host, facts_of_file(read, size_bytes, name, proved.members))
