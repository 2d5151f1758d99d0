"""An S3 of somebody else (moto) on loopback, in a process of its own thread; can be told to break its word."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.gs_in_front import gs

KEY = "canary-key-id"
SECRET = "canary-secret-of-the-store"


class S3:
    """The server."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.requests: list[tuple[str, str]] = []
        """Method and path with query of each request."""
        self.promises = True
        """False: what was asked not to be replaced is replaced."""
        self.ranges = True
        """False: ranges are answered as if they were the whole object, with status 200."""
        self.fail: Callable[[str, str], int | None] = lambda method, path: None
        """Returns the status to answer a request with, or None."""

    def environ(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}


@contextmanager
def s3_server() -> Iterator[S3]:
    """Serve an empty S3 with the bucket `lake`."""
    import boto3
    from botocore.config import Config as BotoConfig
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    inner = gs(DomainDispatcherApplication(create_backend_app))
    box: list[S3] = []

    def app(environ: dict[str, Any], start: Any) -> Any:
        server = box[0]
        path = environ["PATH_INFO"] + (f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else "")
        server.requests.append((environ["REQUEST_METHOD"], path))
        if (status := server.fail(environ["REQUEST_METHOD"], path)) is not None:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(f"{status} no", [("Content-Type", "text/plain"), ("Content-Length", "2")])
            return [b"no"]
        if not server.promises:
            for header in ("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"):
                environ.pop(header, None)

        def answer(status: str, headers: Any, *more: Any) -> Any:
            return start(status if server.ranges else status.replace("206 PARTIAL CONTENT", "200 OK"), headers, *more)

        return inner(environ, answer)

    http = make_server("127.0.0.1", 0, app, threaded=True)
    box.append(S3(f"http://127.0.0.1:{http.server_port}"))
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    client = boto3.client(
        "s3",
        endpoint_url=box[0].endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        # Of an object that was copied after it had come in parts, this server keeps the sum of the parts' sums.
        config=BotoConfig(response_checksum_validation="when_required"),
    )
    client.create_bucket(Bucket="lake")
    box[0].client = client  # type: ignore[attr-defined]
    try:
        yield box[0]
    finally:
        client.close()
        http.shutdown()
        http.server_close()
        thread.join()
