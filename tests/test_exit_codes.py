"""Each error has the exit code of the contract, and the README names the same codes."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from landsat_async import errors
from landsat_async.errors import resources_lacking
from landsat_async.show.help_pages import EXIT_CODES

README = (Path(__file__).parents[1] / "docs/commands.md").read_text()
CODES = {
    "LandsatError": 1, "ConfigError": 2, "FolderUnwritable": 2, "CredentialsError": 3, "ServiceError": 6,
    "ServiceDown": 6, "CertificateUntrusted": 6, "BadReply": 6, "OutcomeUnknown": 6, "M2MError": 6,
    "SessionExpired": 6, "RateLimited": 6, "QuotaReached": 6, "RequestRefused": 6, "EndpointGone": 6,
    "DatasetRefused": 2, "TooManyHits": 2, "LedgerError": 2, "FolderBusy": 8, "SessionClosed": 2, "DiskFull": 9,
    "OutOfResources": 9, "SchedulerGone": 6,
}  # fmt: skip


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_every_error_has_its_exit_code(name, code):
    assert getattr(errors, name).exit_code == code


def test_readme_and_help_list_the_codes():
    table = {int(code) for code in re.findall(r"^\| (\d+) \| ", README, re.M)}
    assert table == {0, 1, 2, 3, 4, 6, 7, 8, 9, 130}
    assert {code for code, _ in EXIT_CODES} == table


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (RuntimeError("can't start new thread"), "threads"),
        (MemoryError(), "memory"),
        (OSError(errno.EMFILE, "x"), "files"),
        (OSError(errno.ENFILE, "x"), "files"),
        (OSError(errno.ENOMEM, "x"), "memory"),
    ],
)
def test_what_says_that_the_machine_lacks_room_is_told_as_that(error, word):
    lacking = resources_lacking(error)
    assert lacking is not None
    assert (lacking.exit_code, lacking.reference) == (9, "out-of-resources")
    assert word in str(lacking)
    assert lacking.hint


@pytest.mark.parametrize("error", [RuntimeError("x"), OSError(errno.EIO, "x"), OSError("x"), ValueError()])
def test_other_errors_are_none_of_that(error):
    assert resources_lacking(error) is None
