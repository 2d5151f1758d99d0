"""What `login` keeps: user name and token for each service, in the user's own folder, readable by this user alone.

A file of its own and not ~/.netrc, which other programs own. Written by `show/login_command`, read by `credentials`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from landsat_async.user_files import Unreadable, read_user_file

FILE_NAME = "logins.json"
_FOLDER = "landsat_async"
_BYTES_MAX = 1 << 20


class Login(NamedTuple):
    """User name and token of one service."""

    username: str
    token: str


def user_folder(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Return the folder for settings of this user, as the system has it; it may not be there yet.

    XDG_CONFIG_HOME or ~/.config; on macOS ~/Library/Application Support; on Windows %APPDATA%.
    """
    home = environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")
    if platform == "win32":
        base = environ.get("APPDATA") or os.path.join(home, "AppData", "Roaming")
        return os.path.join(base, _FOLDER)
    given = environ.get("XDG_CONFIG_HOME", "")
    if os.path.isabs(given):  # the specification says that others are ignored
        return os.path.join(given, _FOLDER)
    if platform == "darwin":
        return os.path.join(home, "Library", "Application Support", _FOLDER)
    return os.path.join(home, ".config", _FOLDER)


def logins_path(environ: Mapping[str, str]) -> str:
    """Return the path of the file that `login` writes."""
    return os.path.join(user_folder(environ), FILE_NAME)


def service_key(url: str) -> str:
    """Return the host of a service, with its port where that is not the usual one: what a login is kept under."""
    return urlsplit(url).netloc.lower()


def read_logins(path: str) -> dict[str, Login]:
    """Return what is kept, by service; entries that are damaged are left out.

    Raises:
        FileNotFoundError: nobody has logged in.
        Unreadable: the file cannot be read, or holds something else; its text is not quoted.
    """
    body = read_user_file(path, _BYTES_MAX)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("is not what `landsat-async login` writes") from None
    logins = document.get("logins") if isinstance(document, dict) else None
    if not isinstance(logins, dict):
        raise Unreadable("is not what `landsat-async login` writes")
    return {
        host: Login(entry["username"], entry["token"])
        for host, entry in logins.items()
        if isinstance(entry, dict) and isinstance(entry.get("username"), str) and isinstance(entry.get("token"), str)
    }


def logins_text(logins: Mapping[str, Login]) -> bytes:
    """Return the content of the file."""
    entries = {host: login._asdict() for host, login in sorted(logins.items())}
    return (json.dumps({"version": 1, "logins": entries}, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
