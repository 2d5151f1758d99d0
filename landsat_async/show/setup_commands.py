"""`datasets`, and how commands find their config: what one needs before the first job."""

from __future__ import annotations

import os
from functools import partial

from landsat_async.config import Config
from landsat_async.show.jsonlines import line
from landsat_async.show.output import Output
from landsat_async.show.plain import tell_wait
from landsat_async.show.signals import Stopper, run_async
from landsat_async.show.tables import columns, width_of

HERE = "config.toml"
_ANY_DATASET = 'search.dataset="landsat_ot_c2_l2"'


def datasets(text: str | None, overrides: tuple[str, ...], output: Output) -> int:
    """List the datasets whose name contains `text`."""
    service = load_or_environment(None, overrides, dataset_needed=False).service

    async def work(_: Stopper) -> int:
        from landsat_async.m2m.client import M2MClient
        from landsat_async.run.find_credentials import find_credentials

        on_wait = partial(tell_wait, output)
        credentials = await find_credentials(service, None, on_wait=on_wait)
        async with M2MClient(service.url, credentials, ca_bundle=service.ca_bundle, on_wait=on_wait) as m2m:
            found = await m2m.dataset_search(text)
        if output.output_options.json:
            for d in found:
                output.json(line("dataset", {"name": d.alias, "title": d.name, "scenes": d.scene_count}))
        elif output.output_options.quiet:
            pass
        elif found:
            rows = [(d.alias, d.name, "" if d.scene_count is None else f"{d.scene_count:,}") for d in found]
            for row in columns(("name", "title", "scenes"), rows, width_of(output.out), right=(2,)):
                output.data(row)
        else:
            output.message("no dataset has that in its name")
        return 0

    return run_async(output, work)


def load_or_environment(path: str | None, overrides: tuple[str, ...] = (), *, dataset_needed: bool = True) -> Config:
    """Load `path`, or ./config.toml where it is, or only the environment.

    Who looks for a dataset has none in the file yet, so any one is put there if `dataset_needed` is False.
    """
    if path is None and os.path.exists(HERE):
        path = HERE
    spare = (_ANY_DATASET,) if path is None or not dataset_needed else ()
    return Config.load(path, overrides=(*spare, *overrides))
