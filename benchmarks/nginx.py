"""nginx on loopback as the file host: a child of this process with a configuration and a certificate of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workload import Workload

_CONFIG = """
daemon off;
worker_processes 2;
error_log {state}/error.log warn;
pid {state}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    types {{ application/octet-stream bin TIF tar; }}
    client_body_temp_path {state}/body;
    proxy_temp_path {state}/proxy;
    fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi;
    scgi_temp_path {state}/scgi;
    map $uri $last_part {{ ~/([^/]+)$ $1; }}
    server {{
        listen 127.0.0.1:{port} {tls};
        {certificate}
        root {root};
        {limit}
        add_header Content-Disposition 'attachment; filename="$last_part"';  # as the hosts of USGS do
        location /data/ {{ rewrite ([^/]+)$ /{name}/$1 break; }}  # links of the M2M API
    }}
}}
"""
_TLS = "ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;"
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class FileHost:
    """A running nginx."""

    url: str
    """Without a slash at the end."""
    certificate: Path | None
    """To be trusted by the clients; None over plain HTTP."""


def is_there() -> bool:
    """Tell whether nginx can be started (and, over TLS, a certificate be made)."""
    return shutil.which("nginx") is not None and shutil.which("openssl") is not None


@contextmanager
def serve(root: Path, state: Path, load: Workload, *, tls: bool, own_core: bool = False) -> Iterator[FileHost]:
    """Serve the files below `root` until the block ends.

    With `own_core` the last core is its own, and what this process starts meanwhile has the others.
    """
    state.mkdir(parents=True)
    certificate = _make_certificate(state) if tls else None
    port = _free_port()
    config = _CONFIG.format(
        state=state,
        port=port,
        root=root,
        limit=f"limit_rate {load.limit_rate};" if load.limit_rate else "",
        name=load.name,
        tls="ssl" if tls else "",
        certificate=_TLS.format(cert=state / "cert.pem", key=state / "key.pem") if tls else "",
    )
    (state / "nginx.conf").write_text(config)
    cores = os.sched_getaffinity(0)
    if own_core:
        os.sched_setaffinity(0, {max(cores)})  # children inherit it
    process = subprocess.Popen(["nginx", "-e", state / "error.log", "-c", state / "nginx.conf"])
    try:
        os.sched_setaffinity(0, cores - {max(cores)} if own_core else cores)
        _wait_until_it_listens(port, process)
        yield FileHost(f"{'https' if tls else 'http'}://127.0.0.1:{port}", certificate)
    finally:
        os.sched_setaffinity(0, cores)
        process.terminate()
        process.wait(_PATIENCE_S)


def _make_certificate(state: Path) -> Path:
    cert = state / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", state / "key.pem", "-out", cert],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return cert


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("nginx does not start; see its error.log")
