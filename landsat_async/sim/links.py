"""Signed links of the file hosts: what they look like, and when they die."""

from __future__ import annotations

import base64
import datetime
import functools
import itertools
import json
import time
from dataclasses import dataclass, field

import msgspec

from landsat_async.sim.script import Script

_CENTRAL = datetime.timezone(datetime.timedelta(hours=-5))


@functools.lru_cache(maxsize=1)
def _central_time(second: int) -> str:
    return datetime.datetime.fromtimestamp(second, _CENTRAL).isoformat()


class FileLink(msgspec.Struct):
    """One link that was given out."""

    download_id: int
    file: str
    host: str
    target: str
    """Path and query."""
    issued_s: float
    uses: int = 0
    number: int = 1
    """How many links of the file there have been with this one."""

    def is_dead(self, script: Script, now_s: float) -> bool:
        """Say whether the link has outlived its time or its uses."""
        old = script.link_lifetime_s is not None and now_s - self.issued_s > script.link_lifetime_s
        used = script.link_uses is not None and self.uses >= script.link_uses
        return old or used or self.number <= script.refuse_first_links

    def is_worn(self, script: Script, now_s: float) -> bool:
        """Say whether a new link is handed out rather than this one again."""
        old = script.link_lifetime_s is not None and now_s - self.issued_s > script.link_lifetime_s / 2
        return old or self.is_dead(script, now_s)


@dataclass(slots=True)
class Links:
    """All links, found by the secret in them."""

    by_secret: dict[str, FileLink] = field(default_factory=dict)
    _of_file: dict[str, int] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def signed(self, download_id: int, file: str, address: str, contact_id: int, now_s: float) -> FileLink:
        """Make a landsatlook link: `address` plus a requestSignature."""
        number = next(self._numbers)
        text = (
            f'{{"downloadApp": "M2M", "contactId": {contact_id}, "downloadId": {download_id}, '
            f'"dateGenerated": "{_central_time(int(time.time()))}", '
            f'"id": {json.dumps(file.removesuffix(".tar"))}, "signature": "$5$${number:043d}"}}'
        ).encode()
        text += b" " * (1 - len(text) % 3 if len(text) % 3 < 2 else 2)  # base64 then ends in "==": quoted in the link
        secret = base64.b64encode(text).decode()
        quoted = secret.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        join = "&" if "?" in address else "?"
        link = FileLink(download_id, file, "landsatlook", f"{address}{join}requestSignature={quoted}", now_s)
        return self._keep(secret, link)

    def staged(self, download_id: int, file: str, contact_id: int, now_s: float) -> FileLink:
        """Make a dds link; its target is for the finished file."""
        content = {"id": download_id, "contactId": contact_id, "n": next(self._numbers)}
        secret = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
        link = FileLink(download_id, file, "dds", f"/download/{secret}", now_s)
        return self._keep(secret, link)

    def _keep(self, secret: str, link: FileLink) -> FileLink:
        link.number = self._of_file[link.file] = self._of_file.get(link.file, 0) + 1
        self.by_secret[secret] = link
        return link
