"""Tests here use the worlds of tests/whole, in virtual time where a module says VIRTUAL."""

from __future__ import annotations

import pytest

from landsat_async.run import worker
from tests.whole.conftest import _rare_progress, anyio_backend, opened

__all__ = ["_rare_progress", "anyio_backend", "opened"]


@pytest.fixture(autouse=True)
def _rare_windows(request, monkeypatch):
    """The size of the crew is judged so seldom that hours of virtual time cost little."""
    if getattr(request.module, "VIRTUAL", False):
        monkeypatch.setattr(worker, "WINDOW_S", 60.0)
