"""What is found under a final name without history."""

from __future__ import annotations

from landsat_async.disk.adopt import Facts, Unproven, inspect
from landsat_async.model import Proof

REPORT = "LC08_L1TP_004053_20240705_20240712_02_T1_GCP.txt"


def test_a_file_whose_kind_shows_nothing_is_adopted_only_with_its_history(tmp_path):
    found = tmp_path / REPORT
    found.write_bytes(b"half of a report, or all of it: nobody can te")
    assert isinstance(inspect(found, REPORT), Unproven)
    known = inspect(found, REPORT, weakest=Proof.LENGTH)
    assert isinstance(known, Facts)
    assert (known.proof, known.size_bytes) == (Proof.LENGTH, 45)
