"""`demo` and `simulate`: the built-in simulator, with the real pipeline or alone. No account, no network."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.errors import ConfigError
from landsat_async.show.output import Output
from landsat_async.show.run_command import conclude, do_job
from landsat_async.show.signals import Stopper, run_async

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


def demo(directory: str, output: Output) -> int:
    """Run the real pipeline against the simulator and leave its files in `directory`."""

    async def work(stopper: Stopper) -> int:
        from landsat_async.sim.server import open_simulator

        path = _own_config(Path(directory))
        async with open_simulator() as sim:
            _no_proxy_to_loopback()
            path.write_text(_CONFIG.format(url=sim.service_url), encoding="utf-8")
            config = Config.load(path, environ={})
            output.message(f"the simulator serves {sim.service_url}; the files go to {config.download.directory}")
            credentials = Credentials(sim.username, sim.token)
            code = conclude(await do_job(config, output, stopper, credentials=credentials), output, config)
        if code == 0:
            for text in _next_steps(config, path):
                output.message(text)
        return code

    return run_async(output, work)


def simulate(host: str, port: int, scenes: int | None, output: Output) -> int:
    """Serve the simulator until a signal comes; one JSON line on stdout says where and for whom."""

    async def work(stopper: Stopper) -> int:
        from landsat_async.sim.computed import ComputedArchive
        from landsat_async.sim.serve import serve

        stopper.stop_text = "stopping"
        with anyio.CancelScope() as scope, stopper.calling(scope.cancel):
            await serve(host, port, output.json, ComputedArchive(scenes) if scenes is not None else None)
        return 0

    return run_async(output, work)


def _own_config(directory: Path) -> Path:
    """Return the path of the demo's config; never one that somebody else wrote."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "config.toml"
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(_MARK):
        raise ConfigError(
            f"{path} is not the demo's own",
            hint="give another directory: python -m landsat_async demo DIRECTORY",
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
    yield "Look at them:"
    for command, ending in (("gdalinfo", "_SR_B4.TIF"), ("tar tf", ".tar")):
        for name in [name for name in names if name.endswith(ending)][:1]:
            yield f"  {command} {os.path.join(data, name)}"
    yield f"  {_near(sys.executable)} -m landsat_async verify {path}"


def _near(path: str) -> str:
    """Return the shorter way to write a path."""
    try:
        return min(path, os.path.relpath(path), key=len)
    except ValueError:  # on another drive
        return path
