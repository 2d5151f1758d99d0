"""A call that a thread makes for a coroutine: what has come of it, and who waits for that.

What is cancelled is the wait, never the call. Who must not leave before it has ended stays with `to_its_end`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from anyio import CancelScope, current_effective_deadline, sleep_forever


class ThreadCall:
    """Made in the loop of who waits; the thread sets `result` or `error`, and then the loop calls `tell`."""

    future: asyncio.Future[Any] | None = None
    """Of who waits; None where nobody does."""
    result: Any = None
    error: BaseException | None = None
    _is_over = False

    def tell(self) -> None:
        """Let who waits have what has come of it; `again` brings it to who is cancelled before he has it."""
        self._is_over, future = True, self.future
        if future is None or future.done():
            return
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.result)

    def again(self) -> asyncio.Future[Any]:
        """Return another future for the same end, for who was cancelled while it waited for the first."""
        assert self.future is not None
        self.future = self.future.get_loop().create_future()
        if self._is_over:
            self.tell()
        return self.future


_SHIELD = partial(CancelScope, shield=True)


async def to_its_end(call: ThreadCall, shield: Callable[[], AbstractContextManager[object]] = _SHIELD) -> Any:
    """Wait for a call, also when a scope round the waiter is cancelled meanwhile: then in what `shield` returns.

    As a rule nobody is cancelled, so a scope is made only then: it costs as much as all the rest of the trip. What
    scopes have to say is said again at the next wait; `task.cancel()` is said once, so that is raised here. Who is let
    go by a shield with a deadline has left the call to itself.
    """
    assert call.future is not None
    try:
        return await call.future
    except asyncio.CancelledError:
        if current_effective_deadline() > -math.inf:
            raise
    with shield():
        return await call.again()
    await sleep_forever()  # the shield has given up, so we have been cancelled: this raises
    raise AssertionError
