"""The command line: options, and which command does what. Exit codes are those of the README.

`--help` and `--version` must be quick, so this file imports nothing heavy; every command imports what it needs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from landsat_async import __version__

if TYPE_CHECKING:
    from landsat_async.show.output import Output

EXIT_CODES = """\
exit codes: 0 every selected file is here and proven, 1 a bug, 2 usage or config, 3 credentials or missing role,
4 some files failed, 6 service down, 7 interrupted with work left, 8 another run or program holds the directory,
9 no room left (disk, threads, memory, descriptors), 130 interrupted twice"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        options = _parser().parse_args(argv)
    except SystemExit as done:  # --help, --version, or a usage error that argparse has told
        _flush()
        return done.code if isinstance(done.code, int) else 2
    from landsat_async.show.error_report import report
    from landsat_async.show.logs import showing_logs
    from landsat_async.show.output import Output, OutputOptions
    from landsat_async.show.signals import STOPPED

    output_options = OutputOptions(
        json=getattr(options, "json", False),
        quiet=options.quiet,
        verbose=options.verbose,
        progress=not getattr(options, "no_progress", False),
    )
    output = Output(output_options)
    try:
        with showing_logs(output):
            return _dispatch(options, output)
    except KeyboardInterrupt:
        output.message("interrupted; the same command continues", urgent=True)
        return STOPPED
    except Exception as error:
        return report(error, output)
    finally:
        output.close()


def _dispatch(options: argparse.Namespace, output: Output) -> int:
    """Import the command that was asked for, and run it."""
    match options.command:
        case "run":
            from landsat_async.show.run_command import run

            return run(options.config, config_overrides(options), options.overwrite, output)
        case "plan":
            from landsat_async.show.plan_command import plan

            return plan(options.config, config_overrides(options), output)
        case "status" | "verify":
            from landsat_async.show import ledger_commands

            if options.command == "status":
                return ledger_commands.status(options.config, config_overrides(options), output)
            return ledger_commands.verify(options.config, config_overrides(options), options.content, output)
        case "init":
            from landsat_async.show.setup_commands import init

            return init(options.path, output)
        case "datasets":
            from landsat_async.show.setup_commands import datasets

            return datasets(options.text, config_overrides(options), output)
        case "demo":
            from landsat_async.show.sim_commands import demo

            return demo(options.directory, output)
        case "simulate":
            from landsat_async.show.sim_commands import simulate

            return simulate(options.host, options.port, options.scenes, output)
        case _:
            from landsat_async.show.doctor import doctor

            return doctor(options.config, config_overrides(options), output)


def config_overrides(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the options that override the file, as `table.key=value` with TOML values."""
    import json
    import os

    texts = list(options.set)
    if getattr(options, "workers", None) is not None:
        texts.append(f"download.workers={options.workers}")
    if options.directory is not None:  # from where the user stands, not from where the file lies
        absolute = os.path.abspath(os.path.expanduser(options.directory))
        texts.append(f"download.directory={json.dumps(absolute, ensure_ascii=False)}")
    return tuple(texts)


class _Version(argparse.Action):
    """Prints the version."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="print the version and leave")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        sys.stdout.write(f"landsat-async {__version__}\n")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="landsat-async",
        description="Download Landsat Collection 2 from the USGS M2M service: resumable, proven, nothing twice.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)

    def add(name: str, text: str, *, config: str = "", data: bool = True) -> argparse.ArgumentParser:
        """Add a command; `config` says whether it needs a config ("" = takes none), `data` whether there is --json."""
        command = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=EXIT_CODES,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--version", action=_Version)
        if config:
            default = None if config == "optional" else "config.toml"
            command.add_argument(
                "config",
                nargs="?",
                default=default,
                metavar="config.toml",
                help="the job's file; default: ./config.toml",
            )
        if data:
            command.add_argument("--json", action="store_true", help="JSON lines on stdout and nothing else there")
        command.add_argument("-q", "--quiet", action="store_true", help="say nothing on success")
        command.add_argument("-v", "--verbose", action="store_true", help="say more, with tracebacks for bugs")
        return command

    run = add("run", "search, request, download and prove; run again, it continues", config="required")
    _add_job_options(run)
    run.add_argument("--workers", type=int, metavar="N", help="files at a time")
    run.add_argument("--overwrite", action="store_true", help="replace files in the way that are not ours")
    _add_job_options(add("plan", "list what run would fetch; requests and downloads nothing", config="required"))
    _add_job_options(add("status", "tell what the ledger of the output folder knows; offline", config="required"))
    verify = add("verify", "check every finished file against the ledger; offline", config="required")
    _add_job_options(verify)
    verify.add_argument("--content", action="store_true", help="prove pixels and identity anew, and record that")
    init = add("init", "write a commented config.toml to start from; never overwrites", data=False)
    init.add_argument("path", nargs="?", default="config.toml", metavar="PATH", help="default: config.toml")
    demo = add("demo", "run the real pipeline against the built-in simulator; no account, no network")
    demo.add_argument("directory", nargs="?", default="landsat-demo", metavar="DIRECTORY", help="default: landsat-demo")
    demo.add_argument("--no-progress", action="store_true", help="no progress display")
    _add_simulate_options(add("simulate", "serve the simulator until interrupted", data=False))
    datasets = add("datasets", "names of the datasets of the service")
    _add_job_options(datasets)
    datasets.add_argument("text", nargs="?", metavar="TEXT", help="part of a name, for example landsat_ot")
    _add_job_options(
        add("doctor", "check config, credentials, service, role, clock, disk and search", config="optional")
    )
    return parser


def _add_job_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--no-progress", action="store_true", help="no progress display")
    command.add_argument("--directory", metavar="PATH", help="output folder, instead of the file's")
    command.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="override one key (TOML value)"
    )


def _add_simulate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1")
    command.add_argument("--port", type=_whole(0, 65533), default=0, help="of the API; default: a free one")
    command.add_argument(
        "--scenes", type=_whole(1, 10_000_000), metavar="N", help="a made-up archive of N scenes in place of the demo's"
    )


def _whole(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be from {low} to {high}")
        return int(text)

    return number


def _flush() -> None:
    """Flush what argparse printed; a reader that has gone is no fault."""
    from landsat_async.show.output import SafeStream

    SafeStream(sys.stdout).flush()
    SafeStream(sys.stderr).flush()
