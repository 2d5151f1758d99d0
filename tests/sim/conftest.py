"""The simulator in virtual time: lifetimes and stalls pass in an instant, and no busy machine prolongs them."""

from __future__ import annotations

import pytest

from tests.support.virtual_loop import VirtualLoop


@pytest.fixture
def anyio_backend(request):
    """A module with REAL_TIME = True has clients in threads or processes, for which no clock jumps."""
    if getattr(request.module, "REAL_TIME", False):
        return "asyncio"
    return ("asyncio", {"loop_factory": VirtualLoop})
