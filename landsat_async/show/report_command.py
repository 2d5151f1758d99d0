"""`report`: one HTML page of what a folder holds, with a quicklook of each scene. Offline."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from landsat_async.config import Config
from landsat_async.disk.fs import local_fs
from landsat_async.disk.whole_file import write_whole
from landsat_async.page.build import PageScene, build_page
from landsat_async.rules.product_id import parse_product_id
from landsat_async.rules.quantities import count_text
from landsat_async.rules.store_url import is_store_url
from landsat_async.show.error_report import unwritable
from landsat_async.show.jsonlines import line
from landsat_async.show.output import Output
from landsat_async.show.scene_page import area_rings, files_text, now_text, place_of, rings_of, sensor_of, state_text
from landsat_async.show.signals import Stopper, run_async

if TYPE_CHECKING:
    from landsat_async.run.report import Report, ReportScene

NAME = "report.html"
ANOTHER_PLACE = "Name a file in a folder that you may write: --output FILE"


def report(
    path: str, overrides: tuple[str, ...], output: Output, *, file: str | None = None, browse: bool = True
) -> int:
    """Write the page into the output folder, or where `file` says."""
    config = Config.load(path, overrides=overrides)

    async def work(_: Stopper) -> int:
        from landsat_async.run.report import report as look
        from landsat_async.run.search import read_aoi

        here = await look(config, pictures=browse)
        directory = config.download.directory
        if not here.ledger:
            output.message(f"{directory}: nothing is here yet; `run` fetches it", urgent=True)
            return 0
        where = file or os.path.join(os.curdir if is_store_url(directory) else directory, NAME)
        area = area_rings(await read_aoi(config))
        notes = [_told(here)]
        page = build_page(
            f"What is in {os.path.basename(directory) or directory}", [_row(scene) for scene in here.scenes],
            kind="report", made=now_text(), area=area, notes=notes,
        )  # fmt: skip
        await _write(where, page)
        if output.output_options.json:
            output.json(line("report", {"file": where, "scenes": len(here.scenes)}))
        elif not output.output_options.quiet:
            output.data(f"{where}: {count_text(len(here.scenes), 'scene')}; open it in a browser")
        return 0

    return run_async(output, work)


async def _write(where: str, page: str) -> None:
    try:
        full = os.path.abspath(where)
        await anyio.to_thread.run_sync(partial(write_whole, local_fs(), full, page.encode()))
    except OSError as error:
        raise unwritable(f"{where}:", error, hint=ANOTHER_PLACE, reference="usage") from None


def _row(scene: ReportScene) -> PageScene:
    here, count = scene.files["done"], scene.files.total()
    product = parse_product_id(scene.display_id)
    return PageScene(
        scene.display_id,
        date=scene.acquired or (product.acquired.isoformat() if product is not None else ""),
        sensor=sensor_of(scene.display_id),
        place=place_of(scene.display_id),
        cloud=scene.cloud_cover,
        files=files_text(here, count),
        state=state_text(here, count, scene.files["failed"] > 0),
        rings=rings_of(scene.footprint),
        picture=scene.picture,
    )


def _told(here: Report) -> str:
    done = sum(scene.files["done"] for scene in here.scenes)
    failed = sum(scene.files["failed"] for scene in here.scenes)
    open_ = sum(scene.files.total() for scene in here.scenes) - done - failed
    texts = [f"{count_text(done, 'file')} verified", *([f"{failed:,} failed"] if failed else [])]
    return ", ".join([*texts, *([f"{open_:,} still to come"] if open_ else [])])
