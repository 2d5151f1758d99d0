"""`stac`: items, collections and catalogue of what is here, made anew from ledger and metadata files. Offline."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from landsat_async.config import Config
from landsat_async.rules.quantities import count_text
from landsat_async.show.jsonlines import line
from landsat_async.show.output import Output
from landsat_async.show.plain import tell_wait
from landsat_async.show.signals import Stopper, run_async

if TYPE_CHECKING:
    from landsat_async.run.outputs import OutputsMade


def stac(path: str, overrides: tuple[str, ...], output: Output) -> int:
    """Write them; 4 where something that is not ours stands in the place of one."""
    config = Config.load(path, overrides=overrides)

    async def work(_: Stopper) -> int:
        from landsat_async.run.stac import make_outputs

        written = await make_outputs(config, on_wait=partial(tell_wait, output))
        code = 4 if written.refused else 0
        if output.output_options.json:
            for one in written.refused:
                output.json(line("failed", {"file": one.file, "reason": one.reason, "hint": one.hint}))
            values = {"directory": config.download.directory, "scenes": written.scenes, "written": written.changed}
            output.json(line("stac", values | {"without_metadata": written.without_metadata}))
            return code
        for one in written.refused:
            output.message(f"{one.file}: {one.reason}. {one.hint}", urgent=True)
        if not output.output_options.quiet:
            for text in lines(config.download.directory, written):
                output.data(text)
        return code

    return run_async(output, work)


def lines(directory: str, written: OutputsMade) -> list[str]:
    """Return what was done, for people."""
    if not written.scenes:
        return [f"{directory}: no verified files of any scene are here yet"]
    counts = f"{count_text(written.scenes, 'scene')}, {count_text(written.changed, 'file')} written"
    told = [f"{directory}/stac/catalog.json: {counts}"]
    if written.without_metadata:
        told.append(
            f"{count_text(written.without_metadata, 'scene')} without MTL.txt: their items have no sun angles and no"
            " scale of level 1; [select] metadata = true fetches it"
        )
    return told
