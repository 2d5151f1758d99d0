"""What is raised where no answer came becomes an error of ours."""

from __future__ import annotations

import ssl

import aiohttp

from landsat_async.errors import ConfigError, ServiceDown, ServiceError
from landsat_async.m2m.network_errors import from_network


def subclasses(kind):
    for sub in kind.__subclasses__():
        if sub.__module__.startswith("aiohttp"):
            yield sub
            yield from subclasses(sub)


def test_every_aiohttp_exception_becomes_an_error_of_ours_without_its_text():
    kinds = sorted(set(subclasses(aiohttp.ClientError)), key=lambda kind: kind.__name__)
    assert len(kinds) > 20
    for kind in kinds:
        error = kind.__new__(kind)
        error.args = ("canary https://h/x?requestSignature=canary",)
        error.status = 502
        error._os_error = OSError(111, "refused")
        error._certificate_error = ssl.SSLCertVerificationError("canary")
        ours = from_network("dataset", "m2m.example", error, 120)
        assert isinstance(ours, ServiceError | ConfigError)
        assert "canary" not in str(ours) + ours.hint


def test_other_exceptions_of_the_network_are_a_service_that_is_down():
    for error in (OSError(101, "Network is unreachable"), ConnectionResetError(104, "reset"), UnicodeError("idna")):
        assert isinstance(from_network("dataset", "h", error, 120), ServiceDown)
