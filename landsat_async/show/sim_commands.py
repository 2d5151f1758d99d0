"""`demo` and `simulate`: the built-in simulator, with the real pipeline or alone. No account, no network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from landsat_async.config import Config
from landsat_async.config_readers import Written, rate_bytes_s
from landsat_async.credentials import Credentials
from landsat_async.errors import ConfigError
from landsat_async.show.output import Output
from landsat_async.show.program import command
from landsat_async.show.run_command import conclude, do_job
from landsat_async.show.signals import Stopper, run_async

if TYPE_CHECKING:
    from landsat_async.sim.script import Script

_INTRODUCTION = (
    "This is the real program against a simulator of USGS on this machine. In about 20 seconds you see what a run does:"
    " files that can be fetched at once, files that USGS prepares first, a connection that breaks and is taken up where"
    " it broke, and the quota of an account."
)
_MARK = "# Written by the demo of landsat_async"
_CONFIG = (
    _MARK
    + """, which overwrites it each time.
# The simulator at this address ends with the demo: `verify` and `status` work afterwards, `run` does not.

[service]
url = "{url}"
patience_s = 0

[search]                                 # scenes round Lago de Valencia, Venezuela
dataset = "landsat_ot_c2_l2"
bbox = [-68.01, 9.99, -67.49, 10.34]
start = 2024-07-05
end = 2024-08-06
cloud_cover = [0, 10]
limit = 3

[select]
type = "all"                             # the bundle and every single file

[download]
directory = "data"
poll_interval_s = 0.5
min_free_bytes = "50 MiB"
"""
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the simulator is asked to behave on the command line."""

    rate: str | None = None
    """A size: what each connection brings in a second."""
    staging_s: float | None = None
    faults: tuple[str, ...] = ()
    """As `sim.fault_text` reads them."""

    def script(self) -> Script:
        """Return it as the simulator takes it. Raises ConfigError."""
        from landsat_async.sim.fault_text import add_fault
        from landsat_async.sim.script import Script

        script = Script()
        if self.rate is not None:
            try:
                script.rate_bytes_s = rate_bytes_s(Written(self.rate, None, [], "--rate")) or None
            except ValueError as error:
                raise ConfigError(f"--rate: {error}", reference="usage") from None
        if self.staging_s is not None:
            if not 0 <= self.staging_s < 1e6:
                raise ConfigError("--staging: must be a number of seconds, 0 or more", reference="usage")
            script.staging_s = self.staging_s
        for text in self.faults:
            try:
                add_fault(script, text)
            except ValueError as error:
                raise ConfigError(f"--fault {text}: {error}", reference="usage") from None
        return script


def demo(directory: str, output: Output) -> int:
    """Run the real pipeline against the simulator and leave its files in `directory`."""

    async def work(stopper: Stopper) -> int:
        from landsat_async.sim.server import open_simulator

        path = _own_config(Path(directory))
        async with open_simulator(script=demo_script()) as sim:
            _no_proxy_to_loopback()
            path.write_text(_CONFIG.format(url=sim.service_url), encoding="utf-8")
            config = Config.load(path, environ={})
            output.message(_INTRODUCTION)
            credentials = Credentials(sim.username, sim.token)
            code = conclude(await do_job(config, output, stopper, credentials=credentials), output, config)
        if code == 0:
            for text in _next_steps(config, path):
                output.message(text)
        return code

    return run_async(output, work)


def demo_script() -> Script:
    """Return a service as it is on a good day: slow enough to be seen, with staging, a quota and a broken transfer."""
    from landsat_async.sim.script import Script

    script = Script(
        rate_bytes_s=350_000, staging_s=3.0, recent_limit=40, recent_window_s=5.0, retry_after="3", over_limit="whole"
    )
    script.fault_file("*.tar", "cut", fraction=0.6)
    return script


def simulate(host: str, port: int, scenes: int | None, behaviour: Behaviour, output: Output) -> int:
    """Serve the simulator until a signal comes; one JSON line on stdout says where and for whom."""
    script = behaviour.script()

    async def work(stopper: Stopper) -> int:
        from landsat_async.sim.computed import ComputedArchive
        from landsat_async.sim.serve import serve

        stopper.stop_text = "stopping"
        archive = ComputedArchive(scenes) if scenes is not None else None
        with anyio.CancelScope() as scope, stopper.calling(scope.cancel):
            await serve(host, port, output.json, archive, script)
        return 0

    return run_async(output, work)


def _own_config(directory: Path) -> Path:
    """Return the path of the demo's config; never one that somebody else wrote."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "config.toml"
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(_MARK):
        raise ConfigError(
            f"{path} is not the demo's own",
            hint="give another directory: landsat-async demo DIRECTORY",
            reference="file-exists",
        )
    return path


def _no_proxy_to_loopback() -> None:
    """A proxy that the environment names cannot reach the simulator."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))


def _next_steps(config: Config, path: Path) -> Iterator[str]:
    """Say what can be done with the files."""
    data = _near(config.download.directory)
    names = sorted(os.listdir(data))
    yield "look at them:"
    for program, ending in (("gdalinfo", "_SR_B4.TIF"), ("tar tf", ".tar")):
        for name in [name for name in names if name.endswith(ending)][:1]:
            yield f"  {program} {os.path.join(data, name)}"
    for name in ("status", "verify"):
        yield f"  {command(name, path)}"
    yield f"next: {command('login')} with your USGS account; then {command('init')}"


def _near(path: str) -> str:
    """Return the shorter way to write a path."""
    try:
        return min(path, os.path.relpath(path), key=len)
    except (ValueError, OSError):  # on another drive; where the user stood has been removed
        return path
