"""aiohttp comes without the certificates of the system, and nothing is believed for that."""

import ast
import ssl
import subprocess
import sys
import threading

from landsat_async.late_certificates import _reading_later, _Unread

import pytest
import trustme

from landsat_async import late_certificates
from tests.test_layers import FILES, PACKAGE, PROJECT, module_of

CA = trustme.CA()


def handshake(context):
    """Connect to a server of `CA`, in memory; raises what the client's side raises."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("files.test").configure_cert(server_context)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(back, there, server_hostname="files.test")
    server = server_context.wrap_bio(there, back, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.getpeercert()


@pytest.fixture
def unread():
    with _reading_later():
        context = ssl.create_default_context()
    assert type(context) is _Unread
    return context


def test_a_context_reads_the_certificates_of_the_system_when_it_is_first_used(unread, tmp_path, monkeypatch):
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    handshake(unread)
    assert type(unread) is ssl.SSLContext
    assert unread.get_ca_certs()


def test_what_the_system_does_not_trust_is_not_trusted(unread, tmp_path, monkeypatch):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(unread)
    assert unread.cert_store_stats()["x509_ca"] == 1


def test_who_looks_at_a_context_sees_it_read(unread, tmp_path, monkeypatch):
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert unread.cert_store_stats()["x509_ca"] == 1


def test_other_threads_get_contexts_that_are_read():
    made = []
    with _reading_later():
        thread = threading.Thread(target=lambda: made.append(ssl.create_default_context()))
        thread.start()
        thread.join()
    assert type(made[0]) is ssl.SSLContext
    assert "set_default_verify_paths" not in vars(ssl.SSLContext)


def test_who_has_changed_how_contexts_are_made_is_let(monkeypatch):
    read = []

    def theirs(context):
        read.append(context)

    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", theirs, raising=False)
    with _reading_later():
        context = ssl.create_default_context()
    assert read == [context]
    assert ssl.SSLContext.set_default_verify_paths is theirs


def test_a_transfer_can_be_imported_without_reading_certificates():
    code = (
        "import landsat_async.transfer.pool; from landsat_async.late_certificates import aiohttp, read_certificates;"
        "connector = aiohttp.connector; seen = type(connector._SSL_CONTEXT_VERIFIED).__name__; read_certificates();"
        "print(seen, type(connector._SSL_CONTEXT_VERIFIED).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.split() == ["_Unread", "SSLContext"], done.stderr


@pytest.mark.parametrize("path", [path for path in FILES if "sim" not in path.parts], ids=module_of)
def test_all_take_aiohttp_from_there(path):
    """Who imports aiohttp without it first reads all certificates of the system, twice."""
    if path == PACKAGE / "late_certificates.py":
        return
    modules = [
        node.names[0].name if isinstance(node, ast.Import) else node.module
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    own = modules.index(late_certificates.__name__) if late_certificates.__name__ in modules else len(modules)
    assert [name for name in modules[:own] if name.split(".")[0] == "aiohttp"] == []
