"""`--scenes FILE` and `--scenes -`: ids from the command line in place of a search."""

from __future__ import annotations

import json
import os
import sys

from landsat_async.errors import ConfigError
from landsat_async.scene_files import BYTES_MAX, scene_list_of


def scene_overrides(name: str) -> tuple[str, ...]:
    """Return the overrides that put these ids into the config; `name` is a file, or - for stdin.

    Raises:
        ConfigError: stdin holds no list of ids.
    """
    if name != "-":  # from where the user stands, not from where the config lies
        path = os.path.abspath(os.path.expanduser(name))
        return (f"search.scenes_file={json.dumps(path, ensure_ascii=False)}",)
    if sys.stdin.isatty():
        sys.stderr.write("scene ids, one a line; end with Ctrl-D\n")
    try:
        found = scene_list_of(sys.stdin.buffer.read(BYTES_MAX + 1))
    except ValueError as error:
        hint = "Give ids line by line, a CSV with a column of ids, or what `landsat-async scenes --json` prints."
        raise ConfigError(f"stdin {error}", hint=hint) from None
    dataset = () if found.dataset is None else (f"search.dataset={json.dumps(found.dataset)}",)
    return (f"search.scenes={json.dumps(found.ids)}", *dataset)
