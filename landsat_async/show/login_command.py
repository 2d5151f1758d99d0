"""`login` and `logout`: user name and token are asked for, tried at once, and kept for this user alone."""

from __future__ import annotations

import getpass
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from landsat_async.config_tables import ServiceConfig
from landsat_async.credentials import HOW_TO_MAKE_A_TOKEN, Credentials, read_pair
from landsat_async.disk.fs import Fs, local_fs
from landsat_async.disk.whole_file import write_whole
from landsat_async.errors import ConfigError, CredentialsError
from landsat_async.kept_login import Login, logins_path, logins_text, read_logins, service_key
from landsat_async.run.find_credentials import ROLE_HINT
from landsat_async.show.command_table import CONFIG_FILE
from landsat_async.show.error_report import unwritable
from landsat_async.show.jsonlines import line
from landsat_async.show.output import Output
from landsat_async.show.plain import tell_wait
from landsat_async.show.program import command
from landsat_async.show.setup_commands import load_or_environment
from landsat_async.show.signals import Stopper, run_async
from landsat_async.user_files import Unreadable, text_of

PATIENCE_S = 30.0
"""Somebody sits before it: a service that is down is told soon, and not waited for."""
_INPUT_BYTES_MAX = 65536


def login(overrides: tuple[str, ...], username: str | None, output: Output) -> int:
    """Ask, try, keep; nothing is kept that the service refuses.

    Raises:
        CredentialsError: nothing usable was given, or the service refuses it.
        ServiceError: it could not be tried.
        ConfigError: it cannot be kept.
    """
    service = load_or_environment(None, overrides, dataset_needed=False).service
    credentials = _ask(service, username, output)

    async def work(_: Stopper) -> int:
        roles = await _try(service, credentials, output)
        path = keep(service_key(service.url), Login(credentials.username, credentials.token), os.environ)
        _tell_login(service, credentials, roles, path, output)
        return 0

    return run_async(output, work)


def end_login(overrides: tuple[str, ...], output: Output) -> int:
    """Forget what is kept for the service."""
    service = load_or_environment(None, overrides, dataset_needed=False).service
    host = service_key(service.url)
    forgotten = forget(host, os.environ)
    if output.output_options.json:
        output.json(line("logout", {"service": host, "forgotten": forgotten}))
    elif not output.output_options.quiet:
        output.sentence(f"the login for {host} is forgotten" if forgotten else f"no login was kept for {host}")
        if forgotten:
            stays = "the token itself stays valid until you delete it: https://ers.cr.usgs.gov, Application Tokens"
            output.sentence(stays)
        for text in _first_found(service, os.environ):
            output.sentence(f"note: {text}")
    return 0


def keep(host: str, login: Login, environ: Mapping[str, str], fs: Fs | None = None) -> str:
    """Write one login beside those of other services; returns the path of the file, which only this user may read."""
    path = logins_path(environ)
    _write(path, {**_kept(path), host: login}, fs or local_fs())
    return path


def forget(host: str, environ: Mapping[str, str], fs: Fs | None = None) -> bool:
    """Remove one login; tells whether there was one. A file without logins goes as well."""
    path = logins_path(environ)
    files = fs or local_fs()
    kept = _kept(path)
    if kept.pop(host, None) is None:
        return False
    if kept:
        _write(path, kept, files)
    else:
        try:
            files.unlink(path)
        except OSError as error:
            raise ConfigError(f"{path} cannot be removed: {error.strerror}") from None
    return True


def _kept(path: str) -> dict[str, Login]:
    try:
        return read_logins(path)
    except FileNotFoundError:
        return {}
    except Unreadable as error:
        raise ConfigError(f"{path}: {error}", hint="Move it away, then log in again.") from None


def _write(path: str, logins: Mapping[str, Login], fs: Fs) -> None:
    try:
        fs.make_folder(os.path.dirname(path), 0o700)
        write_whole(fs, path, logins_text(logins), mode=0o600)
    except OSError as error:
        hint = "Set USGS_USERNAME and USGS_TOKEN instead, or choose another folder with XDG_CONFIG_HOME."
        raise unwritable(path, error, hint=hint) from None


def _ask(service: ServiceConfig, username: str | None, output: Output) -> Credentials:
    """Return what the person types, or what stdin holds where nobody sits before it."""
    known = username or service.username or os.environ.get("USGS_USERNAME", "").strip()
    if not sys.stdin.isatty():
        body = sys.stdin.buffer.read(_INPUT_BYTES_MAX)
        user, token = read_pair(_text_of(body))
        if not (known or user):
            hint = "Name it with --username, or with the variable USGS_USERNAME."
            raise CredentialsError("there is a token on stdin, but no user name", hint=hint)
        return Credentials(username or user or known, token)
    output.message(f"Log in to {service_key(service.url)}. {HOW_TO_MAKE_A_TOKEN}", urgent=True)
    with _signals_raise():
        shown = f" [{known}]" if known else ""
        try:
            typed = _prompt(f"User name{shown}: ", output) or known
            token = getpass.getpass("Token (what you type is not shown): ")
        except KeyboardInterrupt:
            output.err.write("\n")  # what is said now has a line of its own, not the end of the prompt's
            raise
    return Credentials(typed, token)


def _text_of(body: bytes) -> str:
    try:
        return text_of(body)
    except UnicodeDecodeError:
        return ""  # no token is there


def _prompt(text: str, output: Output) -> str:
    output.err.write(text)
    output.err.flush()
    answer = sys.stdin.readline()
    if not answer:
        raise CredentialsError("no user name was given")
    return answer.strip()


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let a signal raise while a prompt hides what is typed: leaving at once would leave the terminal so."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _try(service: ServiceConfig, credentials: Credentials, output: Output) -> tuple[str, ...]:
    """Return the roles of the account. Raises CredentialsError when the service refuses the token."""
    from landsat_async.m2m.client import M2MClient

    async with M2MClient(
        service.url,
        credentials,
        ca_bundle=service.ca_bundle,
        patience_s=min(PATIENCE_S, service.patience_s),
        on_wait=partial(tell_wait, output),
    ) as m2m:
        return await m2m.permissions()


def _tell_login(
    service: ServiceConfig, credentials: Credentials, roles: tuple[str, ...], path: str, output: Output
) -> None:
    host = service_key(service.url)
    if output.output_options.json:
        values = {"service": host, "username": credentials.username, "roles": list(roles), "path": path}
        output.json(line("login", values))
        return
    if output.output_options.quiet:
        return
    may = "search and download" if "download" in roles else "search, but not download: the MACHINE role is missing"
    output.sentence(f"{host} knows {credentials.username}, who may {may}")
    if "download" not in roles:
        output.sentence(ROLE_HINT, indent="  ")
        until = f"Until then `{command('scenes')}` and `{command('plan')}` show what is there."
        output.sentence(until, indent="  ")
    output.sentence(f"kept in {path}, readable by you alone")
    output.sentence(f"`{command('logout')}` forgets it")
    for text in _first_found(service, os.environ):
        output.sentence(f"note: {text}")
    output.data(f"next: {command('plan' if os.path.exists(CONFIG_FILE) else 'init')}")


def _first_found(service: ServiceConfig, environ: Mapping[str, str]) -> Iterator[str]:
    """Say which other places hold a token that comes before what is kept."""
    if environ.get("USGS_TOKEN", "").strip():
        yield "the variable USGS_TOKEN is set, and comes first"
    elif service.credentials_file:
        yield f"[service] credentials_file names {service.credentials_file}, which comes first"
    elif service.token_command:
        yield "[service] has a token_command, which comes first"
