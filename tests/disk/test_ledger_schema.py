"""Where the ledger lies, on systems that write paths in other ways."""

from __future__ import annotations

import sqlite3
from pathlib import PurePosixPath, PureWindowsPath

import pytest

from landsat_async.disk.fs_windows import WindowsFs
from landsat_async.disk.ledger_schema import connect, reading_uri
from landsat_async.errors import LedgerError
from tests.support.windows_like import Disk, LikeWin32


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PurePosixPath("/data/a b#1/ledger"), "file:///data/a%20b%231/ledger?mode=ro"),
        (PureWindowsPath("C:\\data\\a b\\ledger"), "file:///C:/data/a%20b/ledger?mode=ro"),
        (PureWindowsPath("\\\\server\\share\\ledger"), "file:////server/share/ledger?mode=ro"),
    ],
)
def test_sqlite_gets_an_address_that_it_takes(path, uri):
    assert reading_uri(path) == uri


def test_a_name_with_all_that_means_something_in_an_address_is_found(tmp_path):
    path = tmp_path / "a?b=c#d%20e f"
    path.mkdir()
    sqlite3.connect(path / "ledger").execute("CREATE TABLE t(x)")
    connection = sqlite3.connect(reading_uri(path / "ledger"), uri=True)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.close()


@pytest.mark.faults("H12", "H15")
@pytest.mark.faults("W07")
def test_H15_a_damaged_ledger_that_another_program_has_open_is_told_as_that(tmp_path):
    disk = Disk(tmp_path)
    fs = WindowsFs(api=LikeWin32(disk), patience_s=0.1)
    (tmp_path / "ledger").write_bytes(b"no database at all" * 100)
    with disk.other_program(tmp_path / "ledger"), pytest.raises(LedgerError, match="open in another program"):
        connect(tmp_path / "ledger", fs)
    connect(tmp_path / "ledger", fs).close()
    assert len(list(tmp_path.glob("ledger.bad-*"))) == 1
