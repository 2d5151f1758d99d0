from __future__ import annotations

import os

import pytest

from landsat_async.disk.fs import local_fs
from landsat_async.disk.whole_file import write_whole


class PowerGone(Exception):
    """Stands for the end of everything."""


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.csv"
    operations = []
    write_whole(local_fs(lambda operation, *_: operations.append(operation)), str(path), b"first")
    for number in range(len(operations)):
        seen = []

        def stop(operation, *_, number=number, seen=seen):
            seen.append(operation)
            if len(seen) - 1 == number:
                raise OSError(5, operation)

        try:
            write_whole(local_fs(stop), str(path), b"second")
        except OSError:
            pass
        assert path.read_bytes() in (b"first", b"second")
    write_whole(local_fs(), str(path), b"third")
    assert path.read_bytes() == b"third"
    assert operations.index("fsync") < operations.index("replace")


def test_a_name_that_is_taken_is_kept_where_that_is_asked_for(tmp_path):
    path = tmp_path / "a.csv"
    write_whole(local_fs(), str(path), b"mine", replace=False)
    with pytest.raises(FileExistsError):
        write_whole(local_fs(), str(path), b"other", replace=False)
    assert path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_its_mode_counts_from_the_first_moment(tmp_path):
    modes = []
    fs = local_fs(lambda operation, *rest: modes.append(rest[-1]) if operation == "open" else None)
    write_whole(fs, str(tmp_path / "secret"), b"x", mode=0o600)
    assert 0o600 in modes
    assert os.stat(tmp_path / "secret").st_mode & 0o777 == 0o600
