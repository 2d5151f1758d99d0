import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.model import DroppedScene, Scene, Unavailable
from landsat_async.rules.shards import Shard, of_shard

SCENES = [Scene(f"LC8004053202{day:04}LGN00", f"LC08_L2SP_004053_{day}") for day in range(400)]


@pytest.mark.parametrize(
    ("text", "index", "count", "shown"),
    [
        ("1/4", 1, 4, "1/4"),
        ("4/4", 0, 4, "4/4"),
        ("0/4", 0, 4, "4/4"),  # AWS Batch counts from 0, Slurm as the user says
        (" 3/8 ", 3, 8, "3/8"),
        ("1/1", 0, 1, "1/1"),
        ("0/1", 0, 1, "1/1"),
    ],
)
def test_a_shard_is_read_from_0_or_from_1(text, index, count, shown):
    assert Shard.read(text) == Shard(index, count)
    assert str(Shard.read(text)) == shown


@pytest.mark.parametrize(
    "text", ["", "1", "1/", "/4", "5/4", "1/0", "0/0", "-1/4", "1.5/4", "1/4/2", "1/100001", "1/9999999", "a/b"]
)
def test_what_is_no_shard_is_refused_with_a_reason(text):
    with pytest.raises(ValueError, match=r"n must be|there is no part|must be i/n"):
        Shard.read(text)


DIVISION = ["20002", "20008", "20012", "20026", "20028"]
"""Written down: a machine with another version of the program must divide alike."""


def test_the_division_never_changes_between_machines_and_versions():
    assert [scene.entity_id[11:16] for scene in SCENES[:40] if Shard(3, 8).has(scene.entity_id)] == DIVISION


@given(st.integers(1, 50))
def test_shards_are_disjoint_and_together_the_whole(count):
    parts = [of_shard(Shard(index, count), SCENES, [], [])[0] for index in range(count)]
    together = [scene.entity_id for part in parts for scene in part]
    assert sorted(together) == sorted(scene.entity_id for scene in SCENES)


def test_shards_are_about_equal():
    sizes = [len(of_shard(Shard(index, 4), SCENES, [], [])[0]) for index in range(4)]
    assert min(sizes) > 70


def test_what_is_left_out_or_missing_is_told_by_one_shard():
    dropped = [DroppedScene(scene, "cloud") for scene in SCENES[:50]]
    missing = [Unavailable(f"LC8004053202{day:04}LGN01", "no such scene", "") for day in range(50)]
    parts = [of_shard(Shard(index, 3), [], dropped, missing) for index in range(3)]
    assert sum(len(part[1]) for part in parts) == 50
    assert sum(len(part[2]) for part in parts) == 50
