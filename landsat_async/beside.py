"""Something that goes on beside a block of code, and ends with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVarTuple, Unpack

import anyio

from landsat_async.errors import single_error

Values = TypeVarTuple("Values")


@asynccontextmanager
async def beside(
    work: Callable[[Unpack[Values]], Coroutine[Any, Any, object]], *values: *Values
) -> AsyncIterator[None]:
    """Do `work(*values)` inside the block, and cancel it at its end.

    An error of one of them ends the other, and is raised as itself, not in a group.
    """
    with single_error():
        async with anyio.create_task_group() as group:
            group.start_soon(work, *values)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
