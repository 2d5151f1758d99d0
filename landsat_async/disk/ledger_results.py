"""The verified files of one run, with what is known of their scenes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from landsat_async.disk.ledger_schema import reading

_RESULTS = """
SELECT relpath, name, scene_display_id, size_bytes, sha256, proof, coalesce(identity, 'none') AS identity,
  acquired, cloud_cover, geometry
FROM item JOIN file USING(item_id) LEFT JOIN evidence USING(item_id)
LEFT JOIN scene ON scene.display_id=scene_display_id LEFT JOIN footprint ON footprint.display_id=scene_display_id
WHERE run_id=? AND state='done' AND size_bytes>0 ORDER BY relpath"""
"""Without windows of fill alone, which are no files."""


def results_of_run(ledger: Path, run_id: str) -> list[sqlite3.Row]:
    """Return a row for each verified file of a run, also of those that an earlier run has fetched.

    Raises LedgerError.
    """
    with reading(ledger) as connection:
        return connection.execute(_RESULTS, (run_id,)).fetchall()
