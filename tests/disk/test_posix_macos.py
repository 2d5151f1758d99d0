"""What macOS does otherwise, as far as Linux can play it."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

import pytest

from landsat_async.disk import posix_macos
from landsat_async.disk.fs import NEW, WRITE
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.posix_macos import full_sync, is_only_writer, show_as_writer


@pytest.fixture
def fd(tmp_path):
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def test_the_drives_cache_is_flushed(fd, monkeypatch):
    commands = []
    monkeypatch.setattr(os, "fsync", lambda fd: commands.append("fsync"))
    full_sync(fd, lambda fd, command: commands.append(command))
    assert commands == [51]


@pytest.mark.parametrize("code", [errno.ENOTSUP, errno.ENOTTY, errno.EINVAL])
def test_where_that_cannot_be_asked_for_a_plain_sync_has_to_do(fd, monkeypatch, code):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)

    def refuse(*_):
        raise OSError(code, "no")

    full_sync(fd, refuse)
    assert synced == [fd]


def test_a_disk_that_fails_is_told(fd):
    def fail(*_):
        raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        full_sync(fd, fail)


def test_a_part_with_another_writer_is_seen_and_one_without_is_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    fs, path = PosixFs(), str(tmp_path / "part")
    first = fs.open(path, NEW)
    assert fs.is_ours_alone(first)
    assert fs.is_ours_alone(first), "asking changed the answer"
    second = fs.open(path, WRITE)
    assert not fs.is_ours_alone(second)
    assert not fs.is_ours_alone(first)
    fs.close(first)
    assert fs.is_ours_alone(second)
    os.link(path, tmp_path / "another name")
    assert not fs.is_ours_alone(second)
    fs.close(second)


def test_without_locks_nobody_is_the_only_writer(fd, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, "no locks")

    monkeypatch.setattr(posix_macos.fcntl, "flock", refuse)
    show_as_writer(fd)
    assert not is_only_writer(fd)


def test_a_name_is_never_taken_from_anything(tmp_path, monkeypatch):
    """renameatx_np has its own numbers for the same: here they are checked, and the call is Linux's."""
    asked = []

    class Library:
        @staticmethod
        def renameatx_np(*arguments):
            asked.append(arguments)
            return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library)
    PosixFs().rename_noreplace(str(tmp_path / "a"), str(tmp_path / "b"))
    assert asked == [(-2, os.fsencode(tmp_path / "a"), -2, os.fsencode(tmp_path / "b"), 4)]
