"""Levels of proof stand in one place, and everything that knows them takes them from there."""

from __future__ import annotations

from pathlib import Path

from landsat_async.config import Config
from landsat_async.model import Identity, Proof

PROJECT = Path(__file__).parents[1]


def test_levels_and_evidence_are_ordered_as_they_are_listed():
    assert [level.rank for level in Proof] == list(range(len(Proof)))
    assert [kind.rank for kind in Identity] == list(range(len(Identity)))
    assert list(Proof) == ["length", "structure", "window", "content", "published"]
    assert f"{Proof.CONTENT} {Proof.CONTENT.value!r}" == "content 'content'"


def test_each_level_that_whole_files_reach_can_be_asked_for_but_the_weakest():
    levels = [level for level in Proof if level not in (Proof.LENGTH, Proof.WINDOW)]
    asked = [Config.from_dict(search_and(level)).download.proof for level in levels]
    assert asked == ["structure", "content", "published"]


def search_and(level: Proof) -> dict[str, dict[str, object]]:
    return {"search": {"dataset": "landsat_ot_c2_l2"}, "download": {"proof": level.value}}


def test_the_pages_name_every_level():
    glossary = (PROJECT / "docs/glossary.md").read_text()
    readme = "".join((PROJECT / "docs" / page).read_text() for page in ("promises.md", "configuration.md"))
    assert [level for level in Proof if level not in glossary] == []
    assert [
        level
        for level in Proof
        if level is not Proof.LENGTH and f"`{level}`" not in readme and f" {level}:" not in readme
    ] == []
