"""`schema`: the JSON schema of config.toml, for editors."""

from __future__ import annotations

from pathlib import Path

from landsat_async import config_schema
from landsat_async.show.output import Output


def schema(output: Output) -> int:
    """Print it."""
    for line in config_schema.schema_text().splitlines():
        output.data(line)
    return 0


def schema_address() -> str:
    """Return where the schema lies that came with this program: what a file names after `#:schema`."""
    return (Path(config_schema.__file__).parent / config_schema.FILE_NAME).as_uri()
