"""What a run may rely on, wherever its files go: held for every kind of target."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from functools import partial

import pytest

from landsat_async.disk.fs import NEW, observe
from landsat_async.disk.fs_windows import WindowsFs
from landsat_async.disk.inspect import Absent, Facts, Unproven, inspect
from landsat_async.disk.local_target import LocalTarget
from landsat_async.disk.target import Committed, InTheWay, KeepsVersions, Look, Place, Recorded
from landsat_async.errors import FolderBusy
from landsat_async.model import Proof
from landsat_async.proof.prove import Proved

pytestmark = pytest.mark.portable

ON_WINDOWS = sys.platform == "win32"
KINDS = (
    {"windows": None}
    if ON_WINDOWS
    else {"posix": None, "ntfs-like": {}, "exfat-like": {"hard_links": 1, "folder_sync": False}}
)
REPORT = "LC08_L1TP_004053_20240705_20240712_02_T1_GCP.txt"


@pytest.fixture(params=KINDS)
def target(request, tmp_path):
    """A target that this run has claimed."""
    manner = KINDS[request.param]
    make = None
    if manner is not None:
        from tests.support.windows_like import Disk, LikeWin32

        disk = Disk(tmp_path, request.param, **manner)
        make = partial(WindowsFs, api=LikeWin32(disk), patience_s=0.1)
    target = LocalTarget(tmp_path / "data", make)
    target.disk = None if manner is None else disk
    claim = target.prepare()
    yield target
    claim.release()


def put_part(target, name, data=b"data"):
    fd = target.fs.open(target.fs.join(target.parts_dir, name), NEW)
    target.fs.pwrite_all(fd, memoryview(data), 0)
    return fd


@dataclass
class Part:
    """A complete part, as a transfer hands it over."""

    target: LocalTarget
    path: str
    fd: int
    length: int
    sha256: str
    closed: bool = False

    def shut(self) -> None:
        assert not self.closed
        self.closed = True
        self.target.fs.close(self.fd)


def complete_part(target, name, data=b"data"):
    path = target.fs.join(target.parts_dir, name)
    return Part(target, path, put_part(target, name, data), len(data), hashlib.sha256(data).hexdigest())


def commit(target, name, relpath, data=b"data", *, overwrite=False):
    part = complete_part(target, name, data)
    try:
        result = target.commit(
            part, relpath, prove=lambda: Proved(Proof.LENGTH), needed=Proof.LENGTH, overwrite=overwrite
        )
        assert part.closed is isinstance(result, Committed)
        return result
    finally:
        if not part.closed:
            part.shut()


def recorded(target, relpath, size=4):
    with target.read(relpath) as file:
        return Recorded(relpath, size, file.mtime_ns)


def test_a_committed_file_is_there_as_it_was_recorded_and_its_part_goes(target):
    assert isinstance(commit(target, "1.1.part", "LC08/a.TIF"), Committed)
    file = recorded(target, "LC08/a.TIF")
    assert target.look([file]) == [Look.SAME]
    target.discard(["1.1.part", "1.1.part"])
    assert target.parts() == []
    assert target.look([file]) == [Look.SAME]


def test_the_time_that_is_told_is_the_one_that_is_seen_later(target):
    """On NTFS the last write is dated when the file is closed."""
    committed = commit(target, "1.1.part", "LC08/a.TIF")
    assert target.look([Recorded("LC08/a.TIF", 4, committed.mtime_ns)]) == [Look.SAME]


def test_a_proof_that_is_too_weak_names_nothing_and_leaves_the_part_to_be_committed_again(target):
    part = complete_part(target, "1.1.part")
    weak = target.commit(part, "a.TIF", prove=lambda: Proved(Proof.LENGTH), needed=Proof.CONTENT, overwrite=False)
    assert weak == Proved(Proof.LENGTH)
    assert not part.closed
    assert target.places([("a.TIF", "1.1.part")]) == [Place.FREE]
    strong = target.commit(part, "a.TIF", prove=lambda: Proved(Proof.CONTENT), needed=Proof.CONTENT, overwrite=False)
    assert isinstance(strong, Committed)


def test_what_prepare_would_refuse_is_foreseen(target):
    assert isinstance(target.foresee(), FolderBusy)  # this very run has it


def test_what_changes_is_seen_without_reading_and_so_is_what_goes(target, tmp_path):
    commit(target, "1.1.part", "a.TIF")
    file = recorded(target, "a.TIF")
    assert target.look([Recorded("a.TIF", 5, file.mtime_ns), Recorded("a.TIF", 4, 1)]) == [Look.CHANGED] * 2
    os.unlink(tmp_path / "data" / "a.TIF")
    (tmp_path / "data" / "b.TIF").mkdir()
    assert target.look([file, Recorded("b.TIF", 4, 1), Recorded("../x", 4, 1)]) == [
        Look.GONE,
        Look.CHANGED,
        Look.CHANGED,
    ]


def test_nothing_takes_the_place_of_what_is_there_unless_that_is_asked_for(target):
    commit(target, "1.1.part", "a.TIF", b"user")
    assert commit(target, "2.1.part", "a.TIF") == InTheWay()
    with target.read("a.TIF") as file:
        assert file.read(9, 0) == b"user"
    assert isinstance(commit(target, "3.1.part", "a.TIF", overwrite=True), Committed)
    with target.read("a.TIF") as file:
        assert (file.size_bytes, file.read(2, 1)) == (4, b"at")


def test_the_places_of_files_are_told_apart(target, tmp_path):
    commit(target, "1.1.part", "ours.TIF")
    (tmp_path / "data" / "theirs.TIF").write_bytes(b"x")
    (tmp_path / "data" / "folder.TIF").mkdir()
    wanted = [("ours.TIF", "1.1.part"), ("theirs.TIF", "1.1.part"), ("folder.TIF", ""), ("free.TIF", ""), ("no/a", "")]
    found = target.places(wanted)
    ours = Place.OURS if target.parts() else Place.TAKEN  # where there are no links, the part is the final file now
    assert found == [ours, Place.TAKEN, Place.UNUSABLE, Place.FREE, Place.FREE]


def test_the_files_of_a_missing_folder_are_not_looked_for_one_by_one(target, tmp_path):
    looked_at = []
    observe(target.folder.fs, lambda operation, *how: looked_at.append(how[0]) if operation == "lstat" else None)
    wanted = [(f"LC08/2024/{number}.TIF", "") for number in range(9)]
    (tmp_path / "data" / "other").mkdir()
    assert target.places(wanted) == [Place.FREE] * 9
    assert len(looked_at) == 1
    (tmp_path / "data/LC08/2024/4.TIF").mkdir(parents=True)
    assert target.places(wanted) == [Place.FREE] * 4 + [Place.UNUSABLE] + [Place.FREE] * 4


def test_in_a_folder_that_is_bare_no_file_is_looked_for_and_what_comes_into_it_is_found(target, tmp_path):
    looked_at = []
    observe(target.folder.fs, lambda operation, *how: looked_at.append(how[0]) if operation == "lstat" else None)
    wanted = [(f"{number}.TIF", "") for number in range(9)]
    assert target.places(wanted) == [Place.FREE] * 9
    assert looked_at == []
    (tmp_path / "data/4.TIF").write_bytes(b"x")
    assert target.places(wanted) == [Place.FREE] * 4 + [Place.TAKEN] + [Place.FREE] * 4
    (tmp_path / "data/4.TIF").unlink()
    assert target.places(wanted) == [Place.FREE] * 9
    assert len(looked_at) == 18  # it is not listed again


def test_parts_are_told_with_their_time_and_discarded_by_name(target):
    for name in ("1.1.part", "2.7.part"):
        target.fs.close(put_part(target, name))
    parts = {part.name: part.changed_s for part in target.parts()}
    assert set(parts) == {"1.1.part", "2.7.part"}
    assert all(changed_s > 1.7e9 for changed_s in parts.values())
    target.discard(["1.1.part", "9.9.part"])
    assert [part.name for part in target.parts()] == ["2.7.part"]


def test_a_changed_file_is_put_aside_and_a_folder_is_not(target, tmp_path):
    commit(target, "1.1.part", "LC08/a.TIF", b"user")
    kept = target.put_aside("LC08/a.TIF")
    assert (tmp_path / "data" / kept).read_bytes() == b"user"
    assert target.places([("LC08/a.TIF", "1.1.part")]) == [Place.FREE]
    (tmp_path / "data" / "folder").mkdir()
    assert target.put_aside("folder") is None


def test_a_finished_file_is_moved_over_nothing_and_removed(target, tmp_path):
    if not isinstance(target, KeepsVersions):
        pytest.skip("nothing can be put away there")
    commit(target, "1.1.part", "LC08/a.TIF", b"older")
    commit(target, "2.1.part", "LC08/b.TIF", b"other")
    target.move("LC08/a.TIF", "superseded/LC08/a.TIF")
    assert (tmp_path / "data" / "superseded/LC08/a.TIF").read_bytes() == b"older"
    assert target.places([("LC08/a.TIF", "1.1.part"), ("LC08/b.TIF", "")])[0] is Place.FREE
    with pytest.raises(FileExistsError):
        target.move("LC08/b.TIF", "superseded/LC08/a.TIF")
    with pytest.raises(FileNotFoundError):
        target.move("LC08/a.TIF", "superseded/x.TIF")
    assert target.is_same_file("LC08/b.TIF", "LC08/b.TIF")
    assert not target.is_same_file("LC08/b.TIF", "superseded/LC08/a.TIF")
    assert not target.is_same_file("LC08/b.TIF", "nothing")
    target.remove("LC08/b.TIF")
    target.remove("LC08/b.TIF")
    assert sorted(path.name for path in (tmp_path / "data" / "LC08").iterdir()) == []


def test_what_is_read_can_be_proven(target, tmp_path):
    commit(target, "1.1.part", REPORT, b"a report")
    assert isinstance(inspect(target.read(REPORT), REPORT, weakest=Proof.LENGTH), Facts)
    assert inspect(target.read("nothing"), REPORT) == Absent()
    (tmp_path / "data" / "folder").mkdir()
    assert isinstance(inspect(target.read("folder"), REPORT), Unproven)


def test_a_target_has_one_run(target, tmp_path):
    with pytest.raises(FolderBusy):
        LocalTarget(tmp_path / "data").prepare()
    assert target.free_bytes() > 0


@pytest.mark.parametrize("relpath", ["../a", "/a", "a//b", ""])
def test_no_path_leads_out_of_it(target, relpath):
    with pytest.raises(OSError):
        commit(target, "1.1.part", relpath)


def test_what_another_program_has_open_is_told_as_that_and_tidied_later(target, tmp_path):
    if target.disk is None:
        pytest.skip("nothing shuts others out here")
    commit(target, "1.1.part", REPORT)
    target.fs.close(put_part(target, "2.1.part"))
    with target.disk.other_program(tmp_path / "data" / REPORT, share=0):
        finding = inspect(target.read(REPORT), REPORT)
        assert finding == Unproven("open in another program", in_use=True)
    with target.disk.other_program(tmp_path / "data" / ".landsat_async" / "parts" / "2.1.part"):
        target.discard(["2.1.part"])
    target.discard(["2.1.part"])
    assert "2.1.part" not in [part.name for part in target.parts()]
