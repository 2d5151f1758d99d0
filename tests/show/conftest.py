"""Fixtures for the command line."""

from __future__ import annotations

import io

import pytest

from landsat_async.show.output import Output, OutputOptions

CONFIG = '[search]\ndataset = "landsat_ot_c2_l2"\n[download]\ndirectory = "out"\n'


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


class Heard:
    """An Output into memory, with what it wrote."""

    def __init__(self, **output_options):
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        self.output = Output(OutputOptions(**output_options), stdout=self.stdout, stderr=self.stderr)

    @property
    def out(self):
        return self.stdout.getvalue()

    @property
    def err(self):
        return self.stderr.getvalue()


@pytest.fixture
def hear():
    return Heard
