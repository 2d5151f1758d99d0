"""Commands to begin with: try it, log in, write a config, see whether all is there. As in `commands`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from landsat_async.show.command_options import overrides_of, same_job, seconds, whole_number
from landsat_async.show.command_table import BEGIN, CONFIG_FILE, command, option

if TYPE_CHECKING:
    from landsat_async.show.output import Output


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
        option("--bands", action="append", metavar="NAMES", help="such as SR_B4,SR_B5 or red nir08"),
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

    again = same_job(options) if options.config else same_job(options)._replace(config=None)
    return doctor(options.config, overrides_of(options), output, again)


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
        option(
            "--port",
            type=whole_number(0, 65533),
            default=0,
            help="of the API; the file hosts take the next two; default: free ones",
        ),
        option(
            "--scenes",
            dest="scene_count",
            type=whole_number(1, 10_000_000),
            metavar="N",
            help="a made-up archive of N scenes in place of the demo's",
        ),
        option("--rate", metavar="SIZE", help='bytes a second of each connection, such as "500 kB"; default: no limit'),
        option("--staging", type=seconds, metavar="SECONDS", help="until a file that is to be prepared is ready"),
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
