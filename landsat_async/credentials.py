"""User name and application token: where they may stand, and in which order they are looked for.

The token comes from the first of USGS_TOKEN, `credentials_file`, `token_command`, what `login` has kept, ~/.netrc,
M2M_TOKEN. The user name written in the configuration wins; else the place that holds the token tells whose it is; else
USGS_USERNAME, credentials file, `login`, ~/.netrc, M2M_USERNAME. Nobody is asked but by `login`: a prompt would hang
under cron.
"""

from __future__ import annotations

import netrc
import os
import shlex
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from landsat_async.config_readers import PASSWORDS_ENDED
from landsat_async.config_tables import ServiceConfig
from landsat_async.errors import CredentialsError, resources_lacking
from landsat_async.kept_login import logins_path, read_logins, service_key
from landsat_async.public import publish
from landsat_async.user_commands import TooMuchOutput, run_command
from landsat_async.user_files import Unreadable, check_user_file, near_name, read_user_file, text_of

_FILE_BYTES_MAX = 65536
COMMAND_TIMEOUT_S = 60.0  # a person may have to unlock a password store
_OLD_NAMES = ("EROS_", "LANDSATXPLORE_", "USGSM2M_", "RSGIS_USGS_", "USGS_PASSWORD", "USGS_API_KEY")
HOW_TO_MAKE_A_TOKEN = (
    "Sign in at https://ers.cr.usgs.gov, open Application Tokens, and make one with the scope M2M API."
)
_HOW_TO_GET_A_TOKEN = (
    f"{HOW_TO_MAKE_A_TOKEN} Then run `landsat-async login`, or set USGS_USERNAME and USGS_TOKEN. "
    "The account also needs the MACHINE role: same site, Access Request."
)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """ERS user name and application token; the token is masked wherever this is shown.

    Attributes:
        username: ERS user name.
        token: Application token of the M2M API; never shown.
        notes: Warnings for the user, such as a token file that others can read.
        source: Where the token was found, for people; "" when the caller brought it.

    Raises:
        CredentialsError: for a value that could not be sent (empty, blanks or control characters inside).
    """

    username: str
    token: str
    notes: tuple[str, ...] = field(default=(), compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "username", _clean(self.username, "user name"))
        object.__setattr__(self, "token", _clean(self.token, "token"))

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, token=***)"


publish(Credentials)


class _Found(msgspec.Struct, frozen=True):
    """What one place holds."""

    user: str = ""
    token: str = ""
    missing: str = ""
    """Why there is no token here, for the message that lists every place."""
    warnings: tuple[str, ...] = ()


def resolve_credentials(service: ServiceConfig, environ: Mapping[str, str] | None = None) -> Credentials:
    """Find user name and token; may run `token_command`, so call it in a thread where that matters.

    Raises:
        CredentialsError: names every place that was looked at and how to get a token.
    """
    env = os.environ if environ is None else environ
    user, spare_user, token = service.username or "", "", ""
    looked: list[str] = []
    notes: tuple[str, ...] = ()
    source = ""
    for place, name in _PLACES:
        if token and place is _command:
            continue  # it could only bring another token
        found = place(service, env)
        if found.token and not token:
            token, notes, source = found.token, found.warnings, name
            user = user or found.user  # a token belongs to the name that stands beside it
        spare_user = spare_user or found.user
        looked.append(found.missing)
        if token and (user or spare_user):
            return Credentials(user or spare_user, token, notes, source)
    raise _nothing_found(token, [text for text in looked if text], env)


def _nothing_found(token: str, looked: list[str], env: Mapping[str, str]) -> CredentialsError:
    if token:
        message = (
            "there is a token, but no user name: set username in [service] or the variable USGS_USERNAME "
            "(also looked for in the credentials file, ~/.netrc and M2M_USERNAME)"
        )
    else:
        message = "no application token was found. Looked at: " + "; ".join(looked)
    hint = _HOW_TO_GET_A_TOKEN
    if old := sorted(name for name in env if name.startswith(_OLD_NAMES)):
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


def _usgs_variables(service: ServiceConfig, env: Mapping[str, str]) -> _Found:
    return _variables("USGS", env)


def _m2m_variables(service: ServiceConfig, env: Mapping[str, str]) -> _Found:
    return _variables("M2M", env)


def _variables(prefix: str, env: Mapping[str, str]) -> _Found:
    user, token = env.get(f"{prefix}_USERNAME", "").strip(), env.get(f"{prefix}_TOKEN", "").strip()
    return _Found(user, token, f"variable {prefix}_TOKEN: not set")


def _file(service: ServiceConfig, env: Mapping[str, str]) -> _Found:
    """Read lines `username:NAME`, `token:TOKEN`, or the three lines app-token / NAME / TOKEN."""
    path = service.credentials_file
    if not path:
        return _Found(missing="service.credentials_file: not configured")
    try:
        text = text_of(read_user_file(path, _FILE_BYTES_MAX)[:_FILE_BYTES_MAX])
    except (FileNotFoundError, Unreadable, UnicodeDecodeError) as error:
        reason = "no text in UTF-8 or UTF-16" if isinstance(error, UnicodeDecodeError) else str(error)
        if isinstance(error, OSError):
            reason = (error.strerror or "cannot be read") + near_name(path)
        raise CredentialsError(f"credentials file {path}: {reason}", hint=_HOW_TO_GET_A_TOKEN) from None
    form = _form_of(text)
    if form is None:
        raise CredentialsError(
            f"credentials file {path}: holds neither lines `username:NAME` and `token:TOKEN` nor the three lines "
            "`app-token`, NAME, TOKEN",
            hint="Write it in one of these two forms.",
        )
    user, token, password = form
    if password and not token:
        raise CredentialsError(f"credentials file {path}: {PASSWORDS_ENDED}", hint=_HOW_TO_GET_A_TOKEN)
    missing = f"credentials file {path}: no line `token:TOKEN`"
    return _Found(user, token, missing, _file_warnings(path))


def _form_of(text: str) -> tuple[str, str, bool] | None:
    """Return user name, token, and whether there is a password; None for a text in none of the forms."""
    lines = [line for part in text.split("\n") if (line := part.strip()) and not line.startswith("#")]
    if len(lines) == 3 and lines[0].lower() == "app-token":
        return lines[1], lines[2], False
    pairs = (line.partition(":") for line in lines)
    found = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if not {"username", "token", "password"} & set(found):
        return None
    return found.get("username", ""), found.get("token", ""), "password" in found


def read_pair(text: str) -> tuple[str, str]:
    """Return user name ("" when there is none) and token of a credentials file's text, or of a line with a token alone.

    Raises:
        CredentialsError: there is no token.
    """
    form = _form_of(text)
    lines = text.split()
    user, token = form[:2] if form is not None else ("", lines[0] if len(lines) == 1 else "")
    if not token:
        hint = "Put the token alone on its line, or lines `username:NAME` and `token:TOKEN`."
        raise CredentialsError("there is no token on stdin", hint=hint)
    return user, token


def _file_warnings(path: str) -> tuple[str, ...]:
    """Warn of a token that others can read or that may be committed."""
    warnings = []
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return ()
    if os.name == "posix" and mode & 0o077:
        warnings.append(f"the token in {path} can be read by others; run: chmod 600 {shlex.quote(path)}")
    if any((folder / ".git").exists() for folder in Path(path).resolve().parents):
        warnings.append(f"{path} lies in a git folder: make sure that .gitignore names it")
    return tuple(warnings)


def _command(service: ServiceConfig, env: Mapping[str, str]) -> _Found:
    """Run token_command without a shell; the first line it prints is the token and is never shown."""
    command = service.token_command
    if not command:
        return _Found(missing="service.token_command: not configured")
    name = f"token_command {os.path.basename(command[0])}"
    try:
        done = run_command(command, env, limit_s=COMMAND_TIMEOUT_S, most_bytes=_FILE_BYTES_MAX)
    except TimeoutError:
        raise CredentialsError(f"{name} did not end within {COMMAND_TIMEOUT_S:.0f} s") from None
    except TooMuchOutput:
        raise CredentialsError(
            f"{name} prints more than {_FILE_BYTES_MAX // 1024} KiB; it is to print the token and to end"
        ) from None
    except (OSError, ValueError) as error:
        if (lacking := resources_lacking(error)) is not None:
            raise lacking from None
        reason = getattr(error, "strerror", None) or "not a command"
        raise CredentialsError(f"{name} could not be started: {reason}") from None
    output = [text for line in done.out.decode("utf-8", "replace").split("\n") if (text := line.strip())]
    if done.status == 0 and output:
        return _Found(token=output[0])
    said = done.err.decode("utf-8", "replace").strip().split("\n", 1)[0]
    for line in output:
        said = said.replace(line, "***")
    said = "".join(c for c in said if c.isprintable())[:200]
    ended = f"ended with status {done.status}" if done.status else "printed nothing"
    raise CredentialsError(f"{name} {ended}" + (f": {said}" if said else ""))


def netrc_path(home: str, platform: str = sys.platform) -> str:
    """Return where the file is: on Windows also `_netrc`, the name that curl and git use there."""
    usual, other = os.path.join(home, ".netrc"), os.path.join(home, "_netrc")
    return other if platform == "win32" and not os.path.exists(usual) and os.path.exists(other) else usual


def _login(service: ServiceConfig, env: Mapping[str, str]) -> _Found:
    """Read what `login` has kept for this service."""
    path = logins_path(env)
    missing = f"{path}: no login for {service_key(service.url)}"
    try:
        kept = read_logins(path).get(service_key(service.url))
    except FileNotFoundError:
        return _Found(missing=f"{path}: nobody has logged in")
    except Unreadable as error:
        return _Found(missing=f"{path}: {error}")
    if kept is None or (service.username and service.username != kept.username):
        return _Found(missing=missing + (f" as {service.username}" if kept is not None else ""))
    return _Found(kept.username, kept.token, warnings=_file_warnings(path))


def _netrc(service: ServiceConfig, env: Mapping[str, str]) -> _Found:
    """Read the entry for the host of the service; a "default" entry is not meant for USGS and not used."""
    path = env.get("NETRC") or netrc_path(env.get("HOME") or os.path.expanduser("~"))
    host = urlsplit(service.url).hostname or ""
    try:
        check_user_file(path)
        entry = netrc.netrc(path).hosts.get(host)
    except FileNotFoundError:
        return _Found(missing=f"{path}: no such file")
    except netrc.NetrcParseError as error:  # its text may quote the token
        return _Found(missing=f"{path}: line {error.lineno} is not in netrc form")
    except (OSError, ValueError, Unreadable):
        return _Found(missing=f"{path}: cannot be read")
    if entry is None or not entry[2]:
        return _Found(missing=f"{path}: no machine {host} with a password")
    return _Found(entry[0] or "", entry[2], warnings=_file_warnings(path))


_PLACES = (
    (_usgs_variables, "the variable USGS_TOKEN"),
    (_file, "credentials_file"),
    (_command, "token_command"),
    (_login, "landsat-async login"),
    (_netrc, "~/.netrc"),
    (_m2m_variables, "the variable M2M_TOKEN"),
)
"""Where the token is looked for, in this order."""
