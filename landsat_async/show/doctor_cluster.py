"""The check of the doctor that looks at a dask cluster, as a run does before it asks anything of the service."""

from __future__ import annotations

from collections.abc import Callable

from landsat_async.config import Config
from landsat_async.errors import LandsatError
from landsat_async.events import Notice, Retrying
from landsat_async.m2m.caller import ApiWait
from landsat_async.rules.quantities import count_text
from landsat_async.show.doctor_page import Check
from landsat_async.show.doctor_service import failure


async def check_cluster(config: Config, folder: str, on_wait: Callable[[ApiWait], None] | None) -> Check:
    """Try the scheduler and all workers out; nothing is left behind.

    Args:
        config: Has a scheduler.
        folder: The output folder, or the nearest above it that there is.
        on_wait: Hears what is waited for.
    """
    from landsat_async.scale.join import JoinChecks, examine

    warned: list[str] = []

    def tell(event: Notice | Retrying) -> None:
        if isinstance(event, Notice):
            warned.append(event.text)
        elif on_wait is not None:
            on_wait(ApiWait("", event.reason, event.attempt, event.wait_s))

    address, wanted = config.scale.scheduler, config.download.workers
    try:
        found = await examine(address, JoinChecks(folder, config.download.directory, config.service.ca_bundle), tell)
    except LandsatError as error:
        return failure("cluster", error)
    if found.slots < wanted:
        warned.append(f"it transfers {found.slots} files at a time; [download] workers = {wanted} allows more")
    text = f"{address}: {count_text(found.workers, 'worker')}, all of this version, all can write in {folder}"
    return Check("cluster", "warn" if warned else "ok", text, "; ".join(warned))
