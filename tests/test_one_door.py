"""Files of the output folder are touched through `disk.fs` alone, read from the syntax trees.

A call past it is seen by no lab: nobody kills there, cuts the power or fails it, and Windows has no such call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import landsat_async

PACKAGE = Path(landsat_async.__file__).parent
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

BEHIND_THE_DOOR = {
    "disk/fs_posix.py",
    "disk/posix_volume.py",
    "disk/posix_lock.py",
    "disk/posix_rename.py",
    "disk/posix_macos.py",
    "disk/fs_windows.py",
    "disk/win32.py",
}
ALLOWED = {
    "user_files.py": {
        "os.open",
        "os.read",
        "os.close",
        "os.stat",
        "os.fstat",
        "os.listdir",
    },  # files that the user names
    "page/build.py": {"read_text"},  # style, script and coastlines in the package
    "config.py": {"read_text", "os.path.isdir"},  # the example in the package; a config that is a folder
    "credentials.py": {"os.stat", "exists", "os.path.exists"},  # whether others may read the user's file
    "disk/ledger_writer.py": {"os.open", "os.close"},  # of the null device, to keep descriptors back
    "show/doctor.py": {"tempfile", "shutil", "os.path.exists", "open"},  # where nothing of ours may be left
    "show/init_command.py": {"os.path.exists", "os.path.isdir"},  # the user's area file and config
    "show/login_command.py": {"os.path.exists"},  # the user's config
    "show/safe_stream.py": {"os.open", "os.close"},  # of the null device, for a closed pipe
    "show/setup_commands.py": {"os.path.exists"},  # the user's config
    "show/scene_output.py": {"os.path.isdir"},  # the user's folder
    "show/start_page.py": {"os.path.exists"},  # the user's config
    "show/sim_commands.py": {"mkdir", "exists", "read_text", "write_text", "os.listdir"},  # the demo's own folder
}
"""What else may be called where, and why."""

OS = frozenset((
    "access", "chmod", "close", "fchmod", "fdatasync", "fstat", "fstatvfs", "fsync", "ftruncate", "link",
    "listdir", "lstat", "makedirs", "mkdir", "open", "pathconf", "pread", "pwrite", "read", "readlink",
    "remove", "rename", "renames", "replace", "rmdir", "scandir", "stat", "statvfs", "symlink", "truncate",
    "unlink", "utime", "walk",
))  # fmt: skip
OS_PATH = frozenset((
    "exists", "getatime", "getmtime", "getsize", "isdir", "isfile", "islink", "lexists", "samefile",
))  # fmt: skip
OF_PATHS = frozenset((
    "exists", "glob", "hardlink_to", "is_dir", "is_file", "is_symlink", "iterdir", "lstat", "mkdir",
    "read_bytes", "read_text", "rglob", "samefile", "symlink_to", "touch", "unlink", "write_bytes",
    "write_text",
))  # fmt: skip
"""Methods of `pathlib.Path`, as far as their names belong to nothing else."""
DOORS = frozenset(("fs", "_fs", "files", "reader"))
"""Names under which an `Fs` goes, and the reader of the ledger."""
MODULES = frozenset(("fcntl", "msvcrt", "shutil", "tempfile"))
HARMLESS = frozenset(("shutil.get_terminal_size", "shutil.which"))


def name_of(node: ast.expr) -> str:
    """Return the dotted name of an expression; "?" stands for what has none."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{name_of(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"


def file_calls(source: str) -> Iterator[str]:
    """Yield the file calls of a module: what is mentioned of os and os.path, and called of everything else."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            name = name_of(node)
            module, _, last = name.rpartition(".")
            if (module == "os" and last in OS) or (module == "os.path" and last in OS_PATH):
                yield name
            elif module in MODULES and name not in HARMLESS:
                yield module
        elif isinstance(node, ast.ImportFrom) and node.module in {"os", "os.path", *MODULES}:
            yield f"from {node.module}"
        if isinstance(node, ast.Call):
            receiver, _, last = name_of(node.func).rpartition(".")
            if not receiver and last == "open":
                yield "open"
            elif receiver not in ("", "os", "os.path") and last in OF_PATHS and receiver.split(".")[-1] not in DOORS:
                yield last


@pytest.mark.parametrize(
    "file", [file for file in FILES if not file.startswith("sim/") and file not in BEHIND_THE_DOOR]
)
def test_files_are_touched_through_one_door(file):
    assert set(file_calls((PACKAGE / file).read_text())) - ALLOWED.get(file, set()) == set()


def test_what_is_allowed_is_also_used():
    for file, names in ALLOWED.items():
        assert names <= set(file_calls((PACKAGE / file).read_text())), f"{file}: take it off the list"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("os.replace(a, b)", "os.replace"),
        ("run(os.listdir, folder)", "os.listdir"),
        ("os.path.lexists(path)", "os.path.lexists"),
        ("open(path)", "open"),
        ("path.read_text()", "read_text"),
        ("self.path.lstat()", "lstat"),
        ("Path(x).unlink()", "unlink"),
        ("shutil.move(a, b)", "shutil"),
        ("from os import replace", "from os"),
    ],
)
def test_the_test_itself_sees_file_calls(source, found):
    assert list(file_calls(source)) == [found]


@pytest.mark.parametrize("source", ["fs.lstat(path)", "self._fs.unlink(path)", "text.replace(a, b)", "os.path.join(a)"])
def test_the_test_itself_lets_the_rest_pass(source):
    assert list(file_calls(source)) == []
