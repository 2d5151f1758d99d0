"""The commands. Each is one function that imports what it needs and hands over; its options stand above it.

Those to begin with stand in `begin_commands`, those for the shell in `shell_commands`.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from landsat_async.show.command_options import (
    NO_BROWSE,
    OUTPUT,
    SHARD,
    any_whole_number,
    config_of,
    overrides_of,
    same_job,
)
from landsat_async.show.command_table import FETCH, KEEP, LOOK, command, option

if TYPE_CHECKING:
    from landsat_async.show.output import Output


# -- look ------------------------------------------------------------------------------------------------------------


@command(
    "datasets",
    LOOK,
    "names of the datasets of the service",
    examples=(
        ("datasets", "all of them"),
        ("datasets landsat", "those with landsat in their name"),
        ("datasets --json | jq -r .name", "their names alone"),
    ),
    options=(option("text", nargs="?", metavar="TEXT", help="part of a name, for example landsat_ot"),),
    service=True,
)
def datasets(options: argparse.Namespace, output: Output) -> int:
    """List datasets."""
    from landsat_async.show.setup_commands import datasets

    return datasets(options.text, overrides_of(options), output)


@command(
    "scenes",
    LOOK,
    "list the scenes that the search finds; needs no MACHINE role",
    examples=(
        ("scenes", "of ./config.toml: some of them, and sums"),
        ("scenes --output scenes.geojson", "all of them, for QGIS"),
        ("scenes --output scenes.html", "a page with map, timeline and pictures, to choose from"),
        ("scenes --json | landsat-async run --scenes -", "fetch exactly these"),
    ),
    options=(OUTPUT, NO_BROWSE, SHARD),
    config=True,
    scenes=True,
)
def scenes(options: argparse.Namespace, output: Output) -> int:
    """List scenes."""
    from landsat_async.show.scenes_command import scenes

    overrides = overrides_of(options)
    browse = not options.no_browse
    return scenes(
        config_of(options),
        overrides,
        output,
        file=options.output,
        shard=options.shard,
        browse=browse,
        again=same_job(options),
    )


@command(
    "plan",
    LOOK,
    "show what run would fetch; requests and downloads nothing",
    examples=(
        ("plan", "scenes, files, sizes, and what is here already"),
        ("plan --set search.cloud_cover='[0, 5]'", "the same with other limits"),
        ("plan --list-files lake.toml", "every file, with its size and whether it is here"),
        ("plan --measure", "measure the clouds in the area first ([search] aoi_cloud), and keep the figures"),
        ("plan --json lake.toml", "as JSON lines, for another program"),
    ),
    options=(
        option("--list-scenes", action="store_true", help="list every scene, in place of the summary"),
        option("--list-files", action="store_true", help="list every file, in place of the summary"),
        option("--measure", action="store_true", help="measure the clouds in the area, from QA_PIXEL, and keep that"),
        OUTPUT,
        NO_BROWSE,
        SHARD,
    ),
    config=True,
    scenes=True,
)
def plan(options: argparse.Namespace, output: Output) -> int:
    """Show what a run would do."""
    from landsat_async.show.plan_command import plan

    return plan(
        config_of(options),
        overrides_of(options),
        output,
        options.shard,
        file=options.output,
        list_scenes=options.list_scenes,
        list_files=options.list_files,
        browse=not options.no_browse,
        measure=options.measure,
        again=same_job(options),
    )


# -- download --------------------------------------------------------------------------------------------------------


@command(
    "run",
    FETCH,
    "search, request, download and verify; run again, it continues",
    examples=(
        ("run", "do the job of ./config.toml; the same command continues it"),
        ("run --workers 8 --directory /data/lake lake.toml", "override the file"),
        ("run --scenes export.csv", "fetch the scenes of a list, or of an EarthExplorer export"),
    ),
    options=(
        SHARD,
        option("--workers", type=any_whole_number, metavar="N", help="files at a time"),
        option("--scheduler", metavar="ADDRESS", help="transfer in the processes of a dask cluster"),
        option("--overwrite", action="store_true", help="replace files in the way that are not ours"),
    ),
    config=True,
    scenes=True,
)
def run(options: argparse.Namespace, output: Output) -> int:
    """Do the job."""
    from landsat_async.show.run_command import run

    overwrite, again = options.overwrite, same_job(options)
    return run(config_of(options), overrides_of(options), overwrite, output, options.shard, again=again)


@command(
    "sync",
    FETCH,
    "run, and put away what a newer version has replaced",
    examples=(
        ("sync", "fetch what is new or was processed anew, for ./config.toml"),
        ("sync --watch 6h lake.toml", "again every six hours, until Ctrl-C"),
        ("sync --full -q || echo failed", "look at everything, as it does by itself once a week"),
    ),
    options=(
        SHARD,
        option("--watch", metavar="INTERVAL", help="again and again: 30m, 6h, 1d from one beginning to the next"),
        option("--full", action="store_true", help="look at everything, not only at what was ingested lately"),
        option("--overwrite", action="store_true", help="replace files in the way that are not ours"),
    ),
    config=True,
    scenes=True,
    more=(
        "A file of an older version goes only after all chosen files of its successor are verified: to the folder "
        "`superseded` below the output folder, or as [sync] superseded says (move, keep, delete). What you have "
        "changed, and what USGS no longer lists without a successor, is reported and never touched."
    ),
)
def sync(options: argparse.Namespace, output: Output) -> int:
    """Keep a folder as the search says."""
    from landsat_async.config import Config
    from landsat_async.show.sync_command import Job, sync

    def load() -> Config:
        return Config.load(config_of(options), overrides=overrides_of(options)).sharded(options.shard)

    return sync(Job(load, same_job(options), options.full, options.overwrite), output, options.watch)


# -- keep ------------------------------------------------------------------------------------------------------------


@command(
    "status",
    KEEP,
    "say what is here, what is left and what failed; offline",
    examples=(
        ("status", "of the output folder of ./config.toml"),
        ("status --directory /data/lake", "of another folder"),
        ("status --paths | xargs -n1 gdalinfo", "hand the files that are here to another program"),
    ),
    options=(
        option("--failed", action="store_true", help="only what has failed, each with its reason"),
        option("--paths", action="store_true", help="only the paths of the files that are here, one a line"),
    ),
    config=True,
)
def status(options: argparse.Namespace, output: Output) -> int:
    """Say how far the job is."""
    from landsat_async.show.ledger_commands import status

    which = {"failed": options.failed, "paths": options.paths}
    return status(config_of(options), overrides_of(options), output, **which, again=same_job(options))


@command(
    "report",
    KEEP,
    "make one HTML page of what is here; offline",
    examples=(
        ("report", "write report.html into the output folder: map, timeline, quicklooks"),
        ("report --output lake.html", "write it somewhere else"),
        ("report --no-browse", "without quicklooks: at once, and small"),
    ),
    options=(
        option("--output", metavar="FILE", files="file", help="where to; default: report.html in the output folder"),
        NO_BROWSE,
    ),
    config=True,
)
def report(options: argparse.Namespace, output: Output) -> int:
    """Make the page."""
    from landsat_async.show.report_command import report

    browse = not options.no_browse
    return report(config_of(options), overrides_of(options), output, file=options.output, browse=browse)


@command(
    "stac",
    KEEP,
    "make STAC items and a catalogue of what is here; offline",
    examples=(
        ("stac", "write stac/catalog.json and what belongs to it into the output folder"),
        ("stac --set output.vrt=true", "and a VRT for each scene"),
        ("stac --set output.table='\"geojson\"'", "and a table of the scenes"),
    ),
    config=True,
)
def stac(options: argparse.Namespace, output: Output) -> int:
    """Make items and catalogue."""
    from landsat_async.show.stac_command import stac

    return stac(config_of(options), overrides_of(options), output)


@command(
    "verify",
    KEEP,
    "check every finished file again; offline",
    examples=(
        ("verify", "sizes and checksums of what is here"),
        ("verify --content", "decode all pixels, and hold files against their names"),
        ("verify -q || landsat-async run", "fetch anew what does not pass"),
    ),
    options=(option("--content", action="store_true", help="decode pixels and check identity anew, and record that"),),
    config=True,
)
def verify(options: argparse.Namespace, output: Output) -> int:
    """Check every finished file."""
    from landsat_async.show.ledger_commands import verify

    return verify(config_of(options), overrides_of(options), options.content, output, again=same_job(options))
