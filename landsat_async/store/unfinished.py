"""What a run that was killed has left in a store: temporary objects, and uploads that nobody will end."""

from __future__ import annotations

from collections.abc import Sequence

from landsat_async.store.client import StoreClient
from landsat_async.store.s3_uploads import OpenUpload

_NOT_ASKED = (
    "an earlier run was killed or the store failed in it, and the store could not be asked for uploads that it had "
    "begun: a lifecycle rule that aborts incomplete uploads removes them"
)


class Unfinished:
    """The unfinished objects of a prefix that is ours now: what was left there is of no use to anybody."""

    def __init__(self, client: StoreClient, prefix: str) -> None:
        """Stand for them.

        Args:
            client: The bucket.
            prefix: What all our keys begin with, without / at its end; "" = nothing.
        """
        self._client, self._prefix = client, prefix
        self._uploads: dict[str, list[OpenUpload]] = {}

    def clear(self, parts: str, begun: Sequence[str]) -> tuple[str, ...]:
        """Remove what a killed run has left; returns what could not be looked for.

        Args:
            parts: What the keys of temporary objects begin with.
            begun: Temporary keys of parts in the spool, whose uploads may have been under way.

        Raises:
            StoreFailed, FileNotFoundError: the store cannot be listed, or does not let us remove.
        """
        client = self._client
        if left := [one.key for one in client.list(parts)]:
            client.delete(left)
        if client.url.scheme == "az":  # what was sent of an object goes when another one gets its key
            for key in begun:
                client.put(key, b"")
            client.delete([*begun])
            return ()
        if client.url.scheme != "s3":
            return (_NOT_ASKED,)
        uploads = client.uploads()
        try:
            found = [] if uploads is None else uploads.below(f"{self._prefix}/" if self._prefix else "")
            for upload in found:
                if upload.key.startswith(f"{parts}/") and uploads is not None:
                    uploads.abort(upload)
                else:
                    self._uploads.setdefault(upload.key, []).append(upload)
        except OSError:
            return (_NOT_ASKED,)
        return () if uploads is not None else (_NOT_ASKED,)

    def clear_key(self, key: str) -> bool:
        """Give up what was begun under a final key, as far as `clear` has seen it; returns whether nothing is left."""
        uploads = self._client.uploads()
        for upload in self._uploads.pop(key, ()):
            if uploads is not None:
                try:
                    uploads.abort(upload)
                except OSError:  # it can be seen again by the next run that looks, and a lifecycle rule removes it
                    return False
        return True
