"""The rate that all transfers of a run share, `[download] max_rate`: waits as `token_bucket` says."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from landsat_async.transfer.token_bucket import TokenBucket


class MaxRate:
    """Holds one bucket against the clock of the event loop."""

    def __init__(self, rate_bytes_s: float, clock: Callable[[], float]) -> None:
        self._bucket, self._clock = TokenBucket(rate_bytes_s), clock
        self.piece_bytes = self._bucket.piece_bytes
        """The most that is to be received at once."""

    def charge(self, size_bytes: int) -> None:
        """Count bytes that have come; negative: bytes that were paid for and have not."""
        self._bucket.charge(self._clock(), size_bytes)

    def is_used_up(self) -> bool:
        """Whether nothing more is to be received for now."""
        return self._bucket.wait_s(self._clock()) > 0

    async def wait(self) -> None:
        """Wait until more may come."""
        while (wait_s := self._bucket.wait_s(self._clock())) > 0:  # noqa: ASYNC110  # others add to the debt meanwhile
            await anyio.sleep(wait_s)

    async def advance(self, expected_bytes: int | None, paid_bytes: int) -> int:
        """Before a request, wait for the first bytes of its answer and pay for them, as far as that is not done.

        Returns how many bytes are paid for now. One request at a time goes on: the others see what it has paid.
        """
        await self.wait()
        advance = max(0, self._bucket.advance_bytes(expected_bytes) - paid_bytes)
        self.charge(advance)
        return paid_bytes + advance
