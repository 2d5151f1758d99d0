"""What goes on beside a block ends with it, and an error of either is raised as itself."""

from __future__ import annotations

import anyio
import pytest

from landsat_async.beside import beside


async def test_it_goes_on_inside_and_is_cancelled_at_the_end():
    said = []

    async def work(what):
        said.append(what)
        try:
            await anyio.sleep_forever()
        finally:
            said.append("ended")

    async with beside(work, "begun"):
        await anyio.wait_all_tasks_blocked()
        assert said == ["begun"]
    assert said == ["begun", "ended"]


async def test_an_error_beside_ends_the_block_and_is_no_group():
    async def fail():
        raise OSError("beside")

    with pytest.raises(OSError, match="beside"):
        async with beside(fail):
            await anyio.sleep_forever()


async def test_an_error_of_the_block_is_no_group():
    with pytest.raises(KeyError):
        async with beside(anyio.sleep_forever):
            raise KeyError
