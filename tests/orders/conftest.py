"""Tests here use the worlds of tests/whole, in virtual time."""

from __future__ import annotations

from tests.whole.conftest import _rare_progress, anyio_backend, both_systems, opened

__all__ = ["_rare_progress", "anyio_backend", "both_systems", "opened"]
