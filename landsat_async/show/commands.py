"""The commands. Each is one function that imports what it needs and hands over; its options stand above it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from landsat_async.show.command_table import BEGIN, COMMANDS, CONFIG_FILE, FETCH, KEEP, LOOK, SHELL, command, option

if TYPE_CHECKING:
    from landsat_async.show.output import Output


def config_of(options: argparse.Namespace) -> str:
    """Return the path of the config: ./config.toml unless another one was named. One rule for every command."""
    return options.config or CONFIG_FILE


def overrides_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the options that override the file, as `table.key=value` with TOML values."""
    import json
    import os

    texts = list(getattr(options, "set", ()))
    if getattr(options, "workers", None) is not None:
        texts.append(f"download.workers={options.workers}")
    if getattr(options, "directory", None) is not None:  # from where the user stands, not from where the file lies
        where = options.directory  # a folder, or the address of a store
        absolute = where if "://" in where else os.path.abspath(os.path.expanduser(where))
        texts.append(f"download.directory={json.dumps(absolute, ensure_ascii=False)}")
    if getattr(options, "scenes", None) is not None:
        from landsat_async.show.scene_input import scene_overrides

        texts += scene_overrides(options.scenes)
    return tuple(texts)


def _whole(low: int, high: int) -> Callable[[str], int]:
    """Return the reader of a whole number from low to high."""

    def number(text: str) -> int:
        if not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be from {low} to {high}")
        return int(text)

    return number


OUTPUT = option(
    "--output",
    metavar="FILE",
    files="file",
    help="write the scenes to a file: .html (to look at), .geojson (QGIS), .csv, or .txt (their ids)",
)
NO_BROWSE = option("--no-browse", action="store_true", help="make a page without pictures of the scenes")
SHARD = option(
    "--shard",
    metavar="I/N",
    help="fetch part I of N, on one of N machines; each needs a --directory of its own",
)

# -- begin -----------------------------------------------------------------------------------------------------------


@command(
    "demo",
    BEGIN,
    "run the real pipeline against the built-in simulator; no account, no network",
    examples=(
        ("demo", "fetch made-up scenes into ./landsat-demo"),
        ("demo /tmp/try", "the same into another folder"),
        ("demo --json", "the events of the run as JSON lines"),
    ),
    options=(
        option(
            "demo_directory",
            nargs="?",
            default="landsat-demo",
            metavar="DIRECTORY",
            files="folder",
            help="default: landsat-demo",
        ),
    ),
)
def demo(options: argparse.Namespace, output: Output) -> int:
    """Run against the simulator."""
    from landsat_async.show.sim_commands import demo

    return demo(options.demo_directory, output)


@command(
    "login",
    BEGIN,
    "ask for user name and token, try them, keep them for this user",
    examples=(
        ("login", "ask; the token is not shown while it is typed"),
        ("login --username ana < token.txt", "take the token from a file or a password store"),
        ("login --set service.url=http://127.0.0.1:8000/", "for another service, such as the simulator"),
    ),
    options=(option("--username", metavar="NAME", help="your user name at https://ers.cr.usgs.gov"),),
    service=True,
    more=(
        "What is kept is used where neither USGS_TOKEN nor [service] of the config brings a token. It lies in your "
        "own configuration folder ($XDG_CONFIG_HOME/landsat_async, %APPDATA%\\landsat_async), readable by you alone."
    ),
)
def login(options: argparse.Namespace, output: Output) -> int:
    """Keep user name and token."""
    from landsat_async.show.login_command import login

    return login(overrides_of(options), options.username, output)


@command(
    "logout",
    BEGIN,
    "forget what login has kept",
    examples=(
        ("logout", "forget the login for the service of ./config.toml, or for USGS"),
        ("logout -q", "without a word"),
        ("logout --set service.url=http://127.0.0.1:8000/", "for another service"),
    ),
    service=True,
)
def logout(options: argparse.Namespace, output: Output) -> int:
    """Forget user name and token."""
    from landsat_async.show.login_command import end_login

    return end_login(overrides_of(options), output)


@command(
    "init",
    BEGIN,
    "write a commented config.toml to start from; never overwrites",
    examples=(
        ("init", "write ./config.toml, and edit it"),
        ("init --bbox -68.01 9.99 -67.49 10.34 --start 2024-07-01 --bands red,nir08", "filled in"),
        ("init --example timeseries --aoi field.geojson ten-years.toml", "from an example, into another file"),
    ),
    options=(
        option("path", nargs="?", default=CONFIG_FILE, metavar="PATH", files="file", help="default: config.toml"),
        option("--bbox", metavar="WEST SOUTH EAST NORTH", help="the area, in degrees"),
        option("--aoi", metavar="FILE", files="file", help="the area: a GeoJSON or WKT file, instead of --bbox"),
        option("--bands", action="append", metavar="NAMES", help="such as SR_B4,SR_B5 or red,nir08"),
        option("--start", metavar="DAY", help="first day: 2024-07-01, or --start='-60 days'"),
        option("--end", metavar="DAY", help="last day, or today"),
        option("--example", choices=("timeseries", "bundles", "weekly", "ids"), help="begin with a job like this"),
    ),
    data=False,
)
def init(options: argparse.Namespace, output: Output) -> int:
    """Write a commented config."""
    from landsat_async.show.init_command import Wishes, init

    wishes = Wishes(options.bbox, options.aoi, options.bands, options.start, options.end, options.example)
    return init(options.path, wishes, output)


@command(
    "doctor",
    BEGIN,
    "check config, credentials, service, role, clock, disk and search",
    examples=(
        ("doctor", "check ./config.toml, or the environment where there is none"),
        ("doctor lake.toml", "check another job"),
        ("doctor --observations", "what was seen of the service, to paste into an issue"),
    ),
    options=(
        option(
            "--observations",
            action="store_true",
            help="print what runs have seen of the service, without ids, links, names or tokens; offline",
        ),
    ),
    config=True,
)
def doctor(options: argparse.Namespace, output: Output) -> int:
    """Check everything that a run needs."""
    if options.observations:
        from landsat_async.show.observations import print_observations

        return print_observations(options.config, overrides_of(options), output)
    from landsat_async.show.doctor import doctor

    return doctor(options.config, overrides_of(options), output)


@command(
    "simulate",
    BEGIN,
    "serve the simulator until interrupted",
    examples=(
        ("simulate", "serve it on a free port, and print its address, user and token"),
        ("simulate --port 8000", "on a port of your choice"),
        ("simulate --scenes 100000", "with a made-up archive of 100,000 scenes"),
        ('simulate --rate "1 MB" --staging 20 --fault file:cut', "slow, with staging, and one broken transfer"),
    ),
    options=(
        option("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1"),
        option("--port", type=_whole(0, 65533), default=0, help="of the API; default: a free one"),
        option(
            "--scenes",
            dest="scene_count",
            type=_whole(1, 10_000_000),
            metavar="N",
            help="a made-up archive of N scenes in place of the demo's",
        ),
        option("--rate", metavar="SIZE", help='bytes a second of each connection, such as "500 kB"; default: no limit'),
        option("--staging", type=float, metavar="SECONDS", help="until a file that is to be prepared is ready"),
        option(
            "--fault",
            action="append",
            default=[],
            metavar="KIND",
            help="an answer that goes wrong: file:cut, api:status,status=503 ...; repeatable; all: docs/simulator.md",
        ),
    ),
    data=False,
)
def simulate(options: argparse.Namespace, output: Output) -> int:
    """Serve the simulator."""
    from landsat_async.show.sim_commands import Behaviour, simulate

    behaviour = Behaviour(options.rate, options.staging, tuple(options.fault))
    return simulate(options.host, options.port, options.scene_count, behaviour, output)


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
    return scenes(config_of(options), overrides, output, file=options.output, shard=options.shard, browse=browse)


@command(
    "plan",
    LOOK,
    "show what run would fetch; requests and downloads nothing",
    examples=(
        ("plan", "scenes, files, sizes, and what is here already"),
        ("plan --set search.cloud_cover='[0, 5]'", "the same with other limits"),
        ("plan --list-files lake.toml", "every file, with its size and whether it is here"),
        ("plan --json lake.toml", "as JSON lines, for another program"),
    ),
    options=(
        option("--list-scenes", action="store_true", help="list every scene, in place of the summary"),
        option("--list-files", action="store_true", help="list every file, in place of the summary"),
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
        option("--workers", type=int, metavar="N", help="files at a time"),
        option("--overwrite", action="store_true", help="replace files in the way that are not ours"),
    ),
    config=True,
    scenes=True,
)
def run(options: argparse.Namespace, output: Output) -> int:
    """Do the job."""
    from landsat_async.show.run_command import run

    return run(config_of(options), overrides_of(options), options.overwrite, output, options.shard)


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
    from landsat_async.show.program import command as command_text
    from landsat_async.show.sync_command import Job, sync

    def load() -> Config:
        return Config.load(config_of(options), overrides=overrides_of(options)).sharded(options.shard)

    again = command_text("sync", config_of(options))
    return sync(Job(load, again, options.full, options.overwrite), output, options.watch)


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

    return status(config_of(options), overrides_of(options), output, failed=options.failed, paths=options.paths)


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

    return verify(config_of(options), overrides_of(options), options.content, output)


# -- shell -----------------------------------------------------------------------------------------------------------


@command(
    "schema",
    SHELL,
    "print the JSON schema of config.toml, for editors",
    examples=(
        ("schema > config.schema.json", "write it beside your config"),
        ("schema | jq '.properties | keys'", "the names of the tables"),
        ("schema | jq .properties.search", "look at one table"),
    ),
    data=False,
    more="A file that `init` writes names the schema in its first line, for editors with Taplo (Even Better TOML).",
)
def schema(options: argparse.Namespace, output: Output) -> int:
    """Print the schema."""
    from landsat_async.show.schema_command import schema

    return schema(output)


@command(
    "completion",
    SHELL,
    "print a script that completes commands and options after TAB",
    examples=(
        ("completion bash > ~/.local/share/bash-completion/completions/landsat-async", "for bash"),
        ("completion zsh > ~/.zfunc/_landsat_async", "for zsh, with ~/.zfunc in fpath"),
        ("completion fish > ~/.config/fish/completions/landsat-async.fish", "for fish"),
    ),
    options=(option("shell", choices=("bash", "zsh", "fish", "powershell"), metavar="SHELL", help="the shell"),),
    data=False,
    more="For PowerShell, put this into $PROFILE: landsat-async completion powershell | Out-String | Invoke-Expression",
)
def completion(options: argparse.Namespace, output: Output) -> int:
    """Print a script for a shell."""
    from landsat_async.show.completion_command import print_script

    return print_script(options.shell, output)


@command(
    "help",
    SHELL,
    "show the page of a command, or of the exit codes",
    examples=(
        ("help run", "options and examples of run"),
        ("help exit-codes", "what the exit codes mean"),
        ("help man > landsat-async.1", "the manual page, for man"),
    ),
    options=(option("topic", nargs="?", metavar="TOPIC", help="a command, exit-codes, or man (the manual page)"),),
    data=False,
)
def help_(options: argparse.Namespace, output: Output) -> int:
    """Show a page."""
    from landsat_async.show.help_command import show_help

    return show_help(options.topic, COMMANDS, output)
