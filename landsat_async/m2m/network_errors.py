"""Names why no answer came: what aiohttp, ssl and the system raise becomes an error of `landsat_async.errors`.

Foreign exceptions end here, because their texts hold signed links and their reprs the X-Auth-Token header.
"""

from __future__ import annotations

import datetime as dt
import errno
import ssl
import sys

import aiohttp

from landsat_async.errors import (
    CertificateUntrusted,
    ConfigError,
    LandsatError,
    ServiceDown,
    ServiceError,
    resources_lacking,
)
from landsat_async.m2m.api_errors import LATER
from landsat_async.rules.redact import quoted_from_outside


def from_network(endpoint: str, host: str, error: BaseException, limit_s: float) -> LandsatError:
    """Turn an exception of aiohttp, ssl or the operating system into an error of ours."""
    if (lacking := resources_lacking(error)) is not None:
        return lacking
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate(host, error.certificate_error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(host, error)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return ConfigError("[service] url is not a web address", hint="It looks like https://host/path/.")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy(error.status)
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return ServiceDown(
            f"{endpoint} brought no complete answer within {limit_s:g} s", hint=LATER, reference="timeout"
        )
    return ServiceDown(f"no answer from {host}: {_why(error)}", hint=LATER)


def _why(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name cannot be resolved"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return "the proxy cannot be reached"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "the connection does not come up"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS fault"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer was cut"
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return "it refuses the connection"
    if isinstance(error, OSError) and error.strerror:
        return quoted_from_outside(error.strerror)
    return "the connection was closed"


def _proxy(status: int) -> ServiceError:
    if status == 407:
        return ServiceError(
            "the proxy asks for a login",
            hint="Put user name and password into HTTPS_PROXY (http://user:password@proxy:port).",
            reference="proxy-login",
        )
    return ServiceDown(f"the proxy answers with HTTP {status}", hint=LATER, http_status=status)


def _certificate(host: str, error: BaseException) -> CertificateUntrusted:
    code = getattr(error, "verify_code", 0)
    detail = quoted_from_outside(str(getattr(error, "verify_message", "")) or "not trusted")
    hint = "There is no insecure mode. If a company proxy signs TLS, give its CA with [service] ca_bundle."
    if code == 10:
        message, hint = f"the certificate of {host} has expired", "The operator of the server must renew it. " + LATER
    elif code == 9:
        now = dt.datetime.now().astimezone().isoformat(timespec="seconds")
        message = f"the certificate of {host} is not yet valid; the clock of this machine says {now}"
        hint = "Set the clock."
    elif code in {18, 19}:
        message = f"the certificate of {host} is self-signed ({detail})"
    elif code in {62, 64}:
        message = f"the certificate is not for {host} ({detail})"
    else:
        message = f"the certificate of {host} is not trusted ({detail})"
        hint = roots_hint(host, sys.platform) + hint
    return CertificateUntrusted(message, hint=hint)


def roots_hint(host: str, platform: str) -> str:
    """Return what to do on systems whose Python may lack the usual authorities; "" elsewhere."""
    if platform == "win32":  # Python reads the store, and Windows fills it only when one of its own programs asks
        return f"Windows fetches authorities when first needed: open https://{host} once in Edge, then try again. "
    if platform == "darwin":
        return 'With a Python of python.org run "Install Certificates.command" in its folder of Applications once. '
    return ""
