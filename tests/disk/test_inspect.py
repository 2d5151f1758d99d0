"""What is found under a final name without history."""

from __future__ import annotations

import pytest

from landsat_async.disk.inspect import Facts, Unproven, inspect, why_not_adopted
from landsat_async.disk.local_target import LocalTarget
from landsat_async.model import Identity, Proof

REPORT = "LC08_L1TP_004053_20240705_20240712_02_T1_GCP.txt"


def test_a_file_whose_kind_shows_nothing_is_adopted_only_with_its_history(tmp_path):
    target = LocalTarget(tmp_path)
    (tmp_path / REPORT).write_bytes(b"half of a report, or all of it: nobody can te")
    assert isinstance(inspect(target.read(REPORT), REPORT), Unproven)
    known = inspect(target.read(REPORT), REPORT, weakest=Proof.LENGTH)
    assert isinstance(known, Facts)
    assert (known.proof, known.size_bytes) == (Proof.LENGTH, 45)


MIB = 2**20
PRODUCT = REPORT.removesuffix("_GCP.txt")


@pytest.mark.faults("K29")
@pytest.mark.parametrize(
    ("suffix", "size", "proof", "identity", "doubt"),
    [
        ("_B3.TIF", 60 * MIB, Proof.CONTENT, Identity.NONE, None),
        ("_B3.TIF", 60 * MIB, Proof.STRUCTURE, Identity.NONE, "content"),
        ("_B3.TIF", 10 * MIB, Proof.CONTENT, Identity.NONE, "USGS lists"),
        (".tar", 60 * MIB, Proof.CONTENT, Identity.CONTENT, None),
        (".tar", 60 * MIB, Proof.STRUCTURE, Identity.CONTENT, "content"),
        (".tar", 60 * MIB, Proof.CONTENT, Identity.NONE, "names its product"),
        ("_MTL.txt", 60 * MIB, Proof.STRUCTURE, Identity.CONTENT, None),
        ("_MTL.txt", 60 * MIB, Proof.STRUCTURE, Identity.NONE, "names its product"),
        ("_ANG.txt", 200 * MIB, Proof.STRUCTURE, Identity.CONTENT, "USGS lists"),
        ("_thumb.jpeg", 60 * MIB, Proof.STRUCTURE, Identity.NONE, "history"),
    ],
)
def test_K29_what_it_takes_to_be_adopted(suffix, size, proof, identity, doubt):
    said = why_not_adopted(PRODUCT + suffix, Facts(size, "0" * 64, proof, 1, identity), 60 * MIB)
    assert (said is None) if doubt is None else doubt in said
