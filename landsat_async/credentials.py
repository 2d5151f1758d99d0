"""User name and application token: where they may stand, and in which order they are looked for.

The token comes from the first of USGS_TOKEN, `credentials_file`, `token_command`, ~/.netrc, M2M_TOKEN. The
user name written in the configuration wins; else the place that holds the token tells whose it is; else
USGS_USERNAME, credentials file, ~/.netrc, M2M_USERNAME. Nobody is asked: a prompt would hang under cron.
"""

from __future__ import annotations

import netrc
import os
import shlex
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from landsat_async.config import ServiceConfig
from landsat_async.config_readers import PASSWORDS_ENDED
from landsat_async.errors import CredentialsError

_FILE_BYTES_MAX = 65536
_COMMAND_TIMEOUT_S = 60.0  # a person may have to unlock a password store
_OLD_NAMES = ("EROS_", "LANDSATXPLORE_", "USGSM2M_", "RSGIS_USGS_", "USGS_PASSWORD", "USGS_API_KEY")
_HOW_TO_GET_A_TOKEN = (
    "Sign in at https://ers.cr.usgs.gov, open Application Tokens, make one with the scope M2M API, then set "
    "USGS_USERNAME and USGS_TOKEN, or name a credentials_file in [service]. The account also needs the MACHINE "
    "role: same site, Access Request."
)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """ERS user name and application token; the token is masked wherever this is shown.

    Raises:
        CredentialsError: for a value that could not be sent (empty, blanks or control characters inside).
    """

    username: str
    token: str
    notes: tuple[str, ...] = field(default=(), compare=False)
    """Warnings for the user, such as a token file that others can read."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "username", _clean(self.username, "user name"))
        object.__setattr__(self, "token", _clean(self.token, "token"))

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, token=***)"


@dataclass(slots=True)
class _Search:
    """What was found so far, and what is told when it was not enough."""

    looked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def resolve_credentials(service: ServiceConfig, environ: Mapping[str, str] | None = None) -> Credentials:
    """Find user name and token; may run `token_command`, so call it in a thread where that matters.

    Raises:
        CredentialsError: names every place that was looked at and how to get a token.
    """
    env = os.environ if environ is None else environ
    search = _Search()
    token, owner = env.get("USGS_TOKEN", "").strip(), ""
    search.looked.append("variable USGS_TOKEN: not set")
    file_user = netrc_user = ""
    if service.credentials_file and not (token and (service.username or env.get("USGS_USERNAME", "").strip())):
        file_user, file_token = _read_file(service.credentials_file, search)
        if not token and file_token:
            token, owner = file_token, file_user
            search.notes += _file_warnings(service.credentials_file)
    elif not service.credentials_file:
        search.looked.append("service.credentials_file: not configured")
    if not token and service.token_command:
        token = _run_command(service.token_command, env)
    elif not service.token_command:
        search.looked.append("service.token_command: not configured")
    user = service.username or owner or env.get("USGS_USERNAME", "").strip() or file_user
    if not token or not user:
        netrc_user, netrc_token, path = _read_netrc(service.url, env, search)
        if not token and netrc_token:
            token, user = netrc_token, service.username or netrc_user or user
            search.notes += _file_warnings(path)
    if not token:
        token = env.get("M2M_TOKEN", "").strip()
        user = (token and not service.username and env.get("M2M_USERNAME", "").strip()) or user
        search.looked.append("variable M2M_TOKEN: not set")
    user = user or netrc_user or env.get("M2M_USERNAME", "").strip()
    if not token or not user:
        raise _nothing_found("application token" if not token else "user name", search, env)
    return Credentials(user, token, tuple(search.notes))


def _nothing_found(what: str, search: _Search, env: Mapping[str, str]) -> CredentialsError:
    if what == "user name":
        message = (
            "there is a token, but no user name: set username in [service] or the variable USGS_USERNAME "
            "(also looked for in the credentials file, ~/.netrc and M2M_USERNAME)"
        )
    else:
        message = "no application token was found. Looked at: " + "; ".join(search.looked)
    old = sorted(name for name in env if name.startswith(_OLD_NAMES))
    hint = _HOW_TO_GET_A_TOKEN
    if old:
        hint += f" The variables of older tools are not read: {', '.join(old)}; {PASSWORDS_ENDED}."
    return CredentialsError(message, hint=hint, reference="credentials-missing")


def _clean(value: str, what: str) -> str:
    text = value.strip("\ufeff \t\r\n")
    if not text:
        raise CredentialsError(f"the {what} is empty", hint=_HOW_TO_GET_A_TOKEN)
    printable = text.isprintable() and (what != "token" or (text.isascii() and " " not in text))
    if not printable or len(text) > 4096:
        raise CredentialsError(
            f"the {what} holds characters that no {what} has (blanks, control characters, or more than 4096)",
            hint="Copy it again, in one piece.",
        )
    return text


def _read_file(path: str, search: _Search) -> tuple[str, str]:
    """Read user name and token from lines `username:NAME`, `token:TOKEN`, or app-token / NAME / TOKEN."""
    try:
        with open(path, "rb") as file:
            lines = file.read(_FILE_BYTES_MAX).decode("utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not readable as UTF-8 text"
        raise CredentialsError(f"credentials file {path}: {reason}", hint=_HOW_TO_GET_A_TOKEN) from None
    lines = [text for line in lines if (text := line.strip()) and not text.startswith("#")]
    if len(lines) == 3 and lines[0].lower() == "app-token":
        return lines[1], lines[2]
    found = {}
    for line in lines:
        key, _, value = line.partition(":")
        found[key.strip().lower()] = value.strip()
    if "password" in found and not found.get("token"):
        raise CredentialsError(f"credentials file {path}: {PASSWORDS_ENDED}", hint=_HOW_TO_GET_A_TOKEN)
    if not {"username", "token"} & set(found):
        raise CredentialsError(
            f"credentials file {path}: holds neither lines `username:NAME` and `token:TOKEN` nor the three lines "
            "`app-token`, NAME, TOKEN",
            hint="Write it in one of these two forms.",
        )
    if not found.get("token"):
        search.looked.append(f"credentials file {path}: no line `token:TOKEN`")
    return found.get("username", ""), found.get("token", "")


def _file_warnings(path: str) -> list[str]:
    """Warn of a token that others can read or that may be committed."""
    warnings = []
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return []
    if os.name == "posix" and mode & 0o077:
        warnings.append(f"the token in {path} can be read by others; run: chmod 600 {shlex.quote(path)}")
    if any((folder / ".git").exists() for folder in Path(path).resolve().parents):
        warnings.append(f"{path} lies in a git folder: make sure that .gitignore names it")
    return warnings


def _run_command(command: tuple[str, ...], env: Mapping[str, str]) -> str:
    """Run token_command without a shell; the first line it prints is the token and is never shown."""
    program = os.path.basename(command[0])
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_TIMEOUT_S, check=False, env=dict(env)
        )
    except subprocess.TimeoutExpired:
        raise CredentialsError(f"token_command {program} did not end within {_COMMAND_TIMEOUT_S:.0f} s") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a command"
        raise CredentialsError(f"token_command {program} could not be started: {reason}") from None
    output = done.stdout.decode("utf-8", "replace").strip()
    token = output.split("\n", 1)[0].strip()
    if done.returncode != 0 or not token:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n", 1)[0]
        for line in filter(None, (part.strip() for part in output.split("\n"))):
            said = said.replace(line, "***")
        said = "".join(c for c in said if c.isprintable())[:200]
        ended = f"ended with status {done.returncode}" if done.returncode else "printed nothing"
        raise CredentialsError(f"token_command {program} {ended}" + (f": {said}" if said else ""))
    return token


def _read_netrc(url: str, env: Mapping[str, str], search: _Search) -> tuple[str, str, str]:
    """Return login, token and path from the entry for the host of `url`; "default" entries are not used."""
    home = env.get("HOME") or os.path.expanduser("~")
    path = env.get("NETRC") or os.path.join(home, ".netrc")
    host = urlsplit(url).hostname or ""
    try:
        entry = netrc.netrc(path).hosts.get(host)
    except FileNotFoundError:
        search.looked.append(f"{path}: no such file")
        return "", "", path
    except netrc.NetrcParseError as error:  # its text may quote the token
        search.looked.append(f"{path}: line {error.lineno} is not in netrc form")
        return "", "", path
    except (OSError, ValueError):
        search.looked.append(f"{path}: cannot be read")
        return "", "", path
    if entry is None or not entry[2]:
        search.looked.append(f"{path}: no machine {host} with a password")
        return "", "", path
    return entry[0] or "", entry[2], path
