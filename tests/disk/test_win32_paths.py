"""Paths of Windows, which are plain rules on any system."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.disk import win32_paths as paths

pytestmark = pytest.mark.portable

HERE = r"D:\work"


@pytest.mark.parametrize(
    ("path", "normal", "long"),
    [
        (r"C:\x\a.TIF", r"C:\x\a.TIF", "\\\\?\\C:\\x\\a.TIF"),
        ("C:/x/LC08/a.TIF", r"C:\x\LC08\a.TIF", "\\\\?\\C:\\x\\LC08\\a.TIF"),
        (r"C:\x/LC08\./y\..\a.TIF", r"C:\x\LC08\a.TIF", "\\\\?\\C:\\x\\LC08\\a.TIF"),
        ("C:\\", "C:\\", "\\\\?\\C:\\"),
        (r"data\a", r"D:\work\data\a", "\\\\?\\D:\\work\\data\\a"),
        (r"D:data\a", r"D:\work\data\a", "\\\\?\\D:\\work\\data\\a"),
        (r"\data", r"D:\data", "\\\\?\\D:\\data"),
        ("\\\\server\\share\\x\\a", "\\\\server\\share\\x\\a", "\\\\?\\UNC\\server\\share\\x\\a"),
        ("//server/share/x/a", "\\\\server\\share\\x\\a", "\\\\?\\UNC\\server\\share\\x\\a"),
        ("\\\\?\\C:\\x\\a", r"C:\x\a", "\\\\?\\C:\\x\\a"),
        ("\\\\?\\UNC\\server\\share\\a", "\\\\server\\share\\a", "\\\\?\\UNC\\server\\share\\a"),
    ],
)
@pytest.mark.faults("W13")
def test_a_path_has_one_normal_form(path, normal, long):
    assert paths.normal(path, HERE) == normal
    assert paths.long(path, HERE) == long
    assert paths.normal(long, HERE) == normal


@pytest.mark.parametrize("path", ["C:x", r"\\.\PhysicalDrive0", "//./CON"])
def test_what_is_no_path_of_a_file_is_refused(path):
    with pytest.raises(OSError) as refused:
        paths.normal(path, HERE)
    assert refused.value.errno == errno.EINVAL


@pytest.mark.parametrize("name", ["CON", "LC08/../a:stream", "x\\nul.txt", "a. ", "COM¹"])
def test_the_long_form_does_not_switch_the_checks_of_names_off(name):
    with pytest.raises(OSError):
        paths.long("C:\\data\\" + name)


@pytest.mark.parametrize(
    ("root", "path", "names"),
    [
        (r"C:\x", r"C:\x\LC08\a.TIF", ["LC08", "a.TIF"]),
        (r"C:\x", r"c:\X\a.TIF", ["a.TIF"]),
        ("C:\\", r"C:\a", ["a"]),
        (r"C:\x", r"C:\xy\a", None),
        (r"C:\x", r"C:\x", None),
        (r"C:\x", r"D:\x\a", None),
        ("\\\\server\\share\\x", "\\\\SERVER\\share\\x\\a", ["a"]),
    ],
)
def test_what_lies_below_a_root_is_seen_in_any_spelling(root, path, names):
    assert paths.below(root, path) == names
    found = paths.below(paths.long(root), paths.long(path))
    assert found == names


@pytest.mark.parametrize("root", [r"C:\x", "C:/x/", "C:\\", "\\\\server\\share\\x", "\\\\?\\C:\\x"])
@given(st.lists(st.text("abcXYZ09 ._-", min_size=1, max_size=9), min_size=1, max_size=4))
def test_what_is_joined_lies_below_or_is_refused(root, names):
    relpath = "/".join(names)
    try:
        path = paths.join(root, relpath)
    except OSError:
        assert any(name[-1] in ". " or name in (".", "..") for name in names)
        return
    assert paths.below(paths.normal(root), path) == names
    assert paths.below(paths.long(root), paths.long(path)) == names


@pytest.mark.parametrize("relpath", ["../a", "C:/a", "C:a", "/a", "a//b", "", "a/..", r"..\a", r"a\..\..\b"])
def test_nothing_is_joined_that_leads_out(relpath):
    with pytest.raises(OSError):
        paths.join(r"C:\x", relpath)


def test_lengths_are_counted_as_windows_counts():
    assert paths.length_of("aé") == 2
    assert paths.length_of("🛰") == 2
    with pytest.raises(OSError) as refused:
        paths.check_name("🛰" * 128)
    assert refused.value.errno == errno.ENAMETOOLONG
    assert paths.check_name("🛰" * 127)
