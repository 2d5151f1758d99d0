"""A process that is ours alone reads the system's certificates with its first connection over TLS."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
import trustme

from landsat_async.sim import open_simulator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="certificates of Windows are no files")

PROJECT = Path(__file__).parents[2]
LOOK = """
import os, ssl
from landsat_async.show.lean_aiohttp import import_aiohttp

before = dict(os.environ)
import_aiohttp()
assert dict(os.environ) == before
import aiohttp.connector as made

for context in [one for one in vars(made).values() if isinstance(one, ssl.SSLContext)]:
    print(len(context.get_ca_certs()), end=" ")
    if context.verify_mode is not ssl.CERT_NONE:
        assert context.check_hostname
        for _ in range(2):
            context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
        print(len(context.get_ca_certs()), type(context) is ssl.SSLContext, end=" ")
"""


def looked(code, **environment):
    """Return the words that a process prints."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("SSL_CERT_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, env=given | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def authority(tmp_path):
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "authority.pem")
    return made


def test_certificates_are_read_by_the_first_connection_and_no_earlier(authority, tmp_path):
    assert looked(LOOK, SSL_CERT_FILE=str(tmp_path / "authority.pem"), SSL_CERT_DIR=os.devnull) == [*"01", "True", "0"]


def test_aiohttp_that_somebody_has_imported_is_left_as_it_is(authority, tmp_path):
    read = looked(f"import aiohttp\n{LOOK}", SSL_CERT_FILE=str(tmp_path / "authority.pem"), SSL_CERT_DIR=os.devnull)
    assert read == [*"11", "True", "1"]


def test_where_somebody_has_replaced_the_contexts_nothing_is_done():
    code = (
        "import ssl, sys; ssl.SSLContext = type('Other', (), {})\n"
        "from landsat_async.show.lean_aiohttp import import_aiohttp\n"
        "import_aiohttp(); print('aiohttp' in sys.modules)"
    )
    assert looked(code) == ["False"]


@pytest.mark.parametrize(("trusted", "code"), [(True, 0), (False, 6)])
async def test_a_plan_over_tls_is_made_only_with_a_certificate_that_the_system_trusts(
    authority, tmp_path, trusted, code
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with open_simulator(tls=context) as sim:
        config = tmp_path / "config.toml"
        config.write_text(
            f'[service]\nurl = "{sim.service_url}"\npatience_s = 0\n[search]\ndataset = "landsat_ot_c2_l2"\n'
        )
        account = {"USGS_USERNAME": sim.username, "USGS_TOKEN": sim.token}
        known = {"SSL_CERT_FILE": str(tmp_path / "authority.pem")} if trusted else {}
        done = await anyio.run_process(
            [sys.executable, "-m", "landsat_async", "plan", str(config)],
            env={**os.environ, **account, **known},
            cwd=PROJECT,
            check=False,
        )
    assert done.returncode == code, done.stderr.decode()
