"""Scene lists at the service: unique to a run, written down before they are made, removed whatever happens.

They outlive sessions at the service; a list left behind is removed at the end of the next run on the same folder.
Removing is never the job: nothing waits for it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from landsat_async.disk.ledger import Ledger
from landsat_async.errors import LandsatError
from landsat_async.m2m.client import M2MClient

REMOVE_TIMEOUT_S = 1.5
"""For removing a list when the run is being stopped; what does not work by then is done by the next run."""


@asynccontextmanager
async def scene_list(
    m2m: M2MClient, ledger: Ledger | None, dataset: str, ids: Sequence[str], id_field: str = "entityId"
) -> AsyncIterator[str]:
    """Make a list of scenes by ids of the kind `id_field`, yield the list's own id, remove the list at the end.

    Without a ledger nothing is written down.
    """
    list_id = f"la-{uuid.uuid4().hex[:20]}"
    if ledger is not None:
        await ledger.scenes.note_list(list_id, time.time())
    try:
        await m2m.scene_list_add(list_id, dataset, ids, id_field=id_field)
        yield list_id
    except BaseException:
        with anyio.move_on_after(REMOVE_TIMEOUT_S, shield=True):
            await _remove(m2m, ledger, list_id)
        raise
    await _remove(m2m, ledger, list_id)


async def remove_leftovers(m2m: M2MClient, ledger: Ledger) -> bool:
    """Remove the lists that could not be removed before, by this run or by one that died; False: some are left."""
    for list_id in await ledger.scenes.lists():
        if not await _remove(m2m, ledger, list_id):
            return False  # what does not work now is put off
    return True


async def _remove(m2m: M2MClient, ledger: Ledger | None, list_id: str) -> bool:
    """Try once to remove a list; a failure is left to the end of the run or to the next one: the ledger has it."""
    try:
        await m2m.scene_list_remove(list_id, once=True)
    except LandsatError:
        return False
    if ledger is not None:
        await ledger.scenes.forget_list(list_id)
    return True
