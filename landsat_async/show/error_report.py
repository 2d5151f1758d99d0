"""What a person is told when a command cannot go on, and the exit code that goes with it."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import PurePath

from landsat_async.errors import (
    ConfigError,
    DiskFull,
    LandsatError,
    M2MError,
    is_disk_full,
    leaves_of,
    resources_lacking,
)
from landsat_async.events import Error
from landsat_async.show.formatting import mask
from landsat_async.show.output import Output
from landsat_async.show.program import as_started

GO_THERE = "cd to the folder where the files are to be, and run the same command again"
FREE_SPACE = "Free some space and run the same command again"


def report(error: BaseException, output: Output) -> int:
    """Tell what happened, once, and return the exit code."""
    cause = first_cause(error)
    cause = resources_lacking(cause) or cause
    if isinstance(cause, LandsatError):
        _tell(output, Error(cause.reference, str(cause), cause.hint), _details(cause))
        if cause.reference == "internal":
            _tell_traceback(error, output)
        return cause.exit_code
    if isinstance(cause, OSError) and cause.errno is not None:
        event, code = _os_verdict(cause)
        _tell(output, event)
        return code
    _tell(
        output,
        Error(
            "internal",
            f"this is a bug of landsat_async: {type(cause).__name__} at {_place(cause)}: {mask(str(cause))}",
            "no finished file is lost; run the same command with -v and report what it prints",
        ),
    )
    _tell_traceback(error, output)
    return 1


def unwritable(what: str, error: OSError, *, hint: str = "", reference: str = "") -> LandsatError:
    """Return what is told of a file that was asked for and cannot be written: a full disk, or a name that cannot be."""
    if is_disk_full(error):
        return DiskFull(f"{what} cannot be written: {error.strerror}", hint=FREE_SPACE)
    return ConfigError(f"{what} cannot be written: {error.strerror}", hint=hint, reference=reference)


def tell_error(output: Output, event: Error, details: tuple[str, ...] = ()) -> None:
    """Say a fatal error on stderr: what, which detail, what to do now."""
    output.told.add((event.reference, event.message))
    first, *rest = event.message.splitlines() or [""]
    output.message(f"error: {as_started(first)} [{event.reference}]", urgent=True)
    hint = "" if event.hint in event.message else event.hint
    for text in (*rest, *details, *hint.splitlines()):
        output.message(as_started(text.strip()), urgent=True, indent="  ")


def first_cause(error: BaseException) -> BaseException:
    """Return what a person should hear of: groups flattened, an error of ours before what it caused in clean-up."""
    leaves = leaves_of(error)
    for leaf in leaves:
        link: BaseException | None = leaf
        while link is not None:
            if isinstance(link, LandsatError):
                return link
            link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return leaves[0]


def _tell(output: Output, event: Error, details: tuple[str, ...] = ()) -> None:
    if (event.reference, event.message) in output.told:
        return
    if output.output_options.json:
        output.event(event)
    tell_error(output, event, details)


def _tell_traceback(error: BaseException, output: Output) -> None:
    if output.output_options.verbose:
        for text in "".join(traceback.format_exception(error)).splitlines():
            output.message(mask(text), urgent=True)


def _details(error: LandsatError) -> tuple[str, ...]:
    if isinstance(error, ConfigError):
        return tuple(problem for problem in error.problems if problem not in str(error))
    if isinstance(error, M2MError) and error.request_id is not None:
        return (f"request {error.request_id} of {error.endpoint}, for a mail to USGS",)
    return ()


def _os_verdict(error: OSError) -> tuple[Error, int]:
    if isinstance(error, FileNotFoundError) and error.filename is None and not _has_working_folder():
        return Error("file-access", "the folder that this command was started in is not there any more", GO_THERE), 2
    if error.filename is None and not is_disk_full(error):
        hint = "another program listens there: choose another port" if error.errno == errno.EADDRINUSE else ""
        return Error("system", str(error.strerror), hint), 2
    text = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error.strerror)
    if is_disk_full(error):
        return Error("disk-full", text, FREE_SPACE), 9
    return Error("file-access", text, "check the path and its permissions"), 2


def _has_working_folder() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    except OSError:  # it is there, and may not be looked up
        return True
    return True


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    ours = [frame for frame in frames if "landsat_async" in PurePath(frame.filename).parts]
    frame = (ours or frames)[-1]
    return f"{PurePath(frame.filename).name}:{frame.lineno}"
