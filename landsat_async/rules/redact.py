"""What may be shown and kept of a text that comes from outside: no credentials.

Messages of the service, web pages and certificates quote what was asked for, and links here are credentials: their
query is a signature that holds the contact id of the account, and the path of a staging link is the same in base64.
Every such text passes here once, where it comes in; from there it goes to terminals, JSON lines, logs and the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from landsat_async.rules.naming import shown

MASK = "***"
_LOOKED_AT_MAX = 2000
"""Nothing that is said to people is longer, and the patterns below take more than proportional time."""

# `re` compiles these when they are first used: most runs need none of them.
_LINK = r"([A-Za-z0-9+.-]{0,16}):\\?/\\?/([^\s'\"<>]*)"
_WORD = r"\S+"
_QUERY = r"[?&]\w{1,64}=."
_STAGING = r"(?i)/?download(?:-staging)?/\S+"
_NAMED = (
    r"(?i)((?:x-auth-token|request_?signature|signature|token|api[_-]?key|password|passwd|secret|authorization|bearer"
    r"|cookie|session[_-]?id|contact[_-]?id)['\"]?(?:\s{0,4}[=:]\s{0,4}|\s+is\s+)(?:bearer\s+)?['\"]?)(?!\*\*\*|bearer\b)[^\s,;)}\]'\"]+"
)
_CONTACT = r"(?i)((?:contact|\bcid|\b(?:user|customer|account)[\s_-]{0,3}id)\D{0,16}?)\d{4,}"
_OPAQUE = r"[A-Za-z0-9+/=%-]{24,}|[\w+/=%$.-]{72,}"  # product and file names have shorter parts
_PLAIN_HOST = r"(?a)[A-Za-z0-9.-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?"


def redact(text: str) -> str:
    """Return a foreign text without signed links, user names in links, tokens, keys and contact ids.

    A link that holds nothing of that stays. Of very long texts only the beginning is kept, and of that no word that
    was cut. What is redacted stays as it is when it passes here again.
    """
    return _redact(text, opaque=True)


def _redact(text: str, *, opaque: bool) -> str:
    if len(text) > _LOOKED_AT_MAX:
        text = re.sub(r"\S*\Z", "", text[:_LOOKED_AT_MAX])  # half a token is no token to the patterns
    pieces, begin = [], 0
    for found in re.finditer(_LINK, text):
        pieces += [_without_secrets(text[begin : found.start()], opaque), _link(found)]
        begin = found.end()
    return "".join([*pieces, _without_secrets(text[begin:], opaque)])


def said_by_program(text: str, secrets: Iterable[str]) -> str:
    """Return what a program of the user has said without the run's own secrets, signed links and named tokens.

    Paths stay legible: they are those of this machine, and the point of most messages.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _redact(text, opaque=False)


def quoted_from_outside(text: str, limit: int = 80) -> str:
    """Return a foreign text so that it can be printed and kept: redacted, ASCII, no control characters, bounded."""
    return shown(redact(text), limit)


def _without_secrets(text: str, opaque: bool) -> str:
    text = re.sub(_WORD, lambda word: MASK if re.search(_QUERY, word[0]) else word[0], text)
    text = re.sub(_STAGING, MASK, text)
    text = re.sub(_NAMED, rf"\1{MASK}", text)
    text = re.sub(_CONTACT, rf"\1{MASK}", text)
    return re.sub(_OPAQUE, _opaque, text) if opaque else text


def _link(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2].replace("\\/", "/")
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    host, path = authority.rpartition("@")[2], rest[len(authority) :]
    if not re.fullmatch(_PLAIN_HOST, host):
        return MASK
    if "@" in authority or re.search(r"[?#&=\\*]", path) or re.search(_STAGING, path):
        return f"{scheme}://{host}/{MASK}"
    folders = [re.sub(_OPAQUE, _opaque, folder) for folder in path.split("/")]
    return f"{scheme}://{host}{'/'.join(folders)}"


def _opaque(found: re.Match[str]) -> str:
    """Words, names of endpoints and links that were looked at already are not opaque."""
    run = found[0]
    mixed = any(char.islower() for char in run) and any(char.isupper() for char in run)
    return MASK if len(run) >= 72 or any(char.isdigit() for char in run) or (mixed and len(run) >= 32) else run
