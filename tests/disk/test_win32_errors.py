"""Error numbers and kinds of files of Windows, which are plain rules on any system."""

from __future__ import annotations

import stat

import pytest

from landsat_async.disk import win32_errors as codes

pytestmark = pytest.mark.portable


def test_patience_grows_and_has_an_end():
    pauses = [codes.pause_s(waits) for waits in range(100)]
    assert pauses[:6] == [0.01, 0.02, 0.04, 0.08, 0.16, 0.25]
    assert max(pauses) == 0.25


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (2, FileNotFoundError),
        (3, FileNotFoundError),
        (5, PermissionError),
        (80, FileExistsError),
        (183, FileExistsError),
        (267, NotADirectoryError),
        (123456, OSError),
    ],
)
def test_errors_have_the_class_that_callers_expect(code, kind):
    error = codes.os_error(code, "a")
    assert type(error) is kind
    assert error.filename == "a"
    assert f"Windows error {code}" in str(error)


@pytest.mark.parametrize(
    ("attributes", "tag", "is_kind"),
    [
        (0x80, 0, stat.S_ISREG),
        (0x10, 0, stat.S_ISDIR),
        (0x400, 0xA000000C, stat.S_ISLNK),
        (0x410, 0xA0000003, stat.S_ISLNK),
        (0x400, 0x9000001A, stat.S_ISREG),
        (0x410, 0x9000701A, stat.S_ISDIR),
        (0x400, 0x80000013, stat.S_ISREG),
    ],
    ids=["file", "folder", "symbolic link", "junction", "placeholder", "folder of OneDrive", "deduplicated"],
)
def test_only_links_and_junctions_lead_elsewhere(attributes, tag, is_kind):
    assert is_kind(codes.mode_of(attributes, tag))
