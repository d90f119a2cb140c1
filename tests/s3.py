"""An S3 server on loopback (moto), which can be slow, fail and disappear on request."""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BUCKET = "maps"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "LAZYTILE_STORAGE_POLL_S": "0.2",
}

_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@dataclass
class S3Server:
    """A running server."""

    port: int = 0
    delay_s: float = 0.0
    """How long each request takes."""
    error_share: float = 0.0
    """Share of the requests that are answered with 503."""
    is_lost: bool = False
    """Whether every request is answered with 503."""
    is_denied: bool = False
    """Whether every request is answered with 403."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request."""
    on_request: Callable[[str, str], None] | None = None
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a process that uses it."""
        return {**ENVIRONMENT, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def behave(self) -> None:
        """Answer at once and without faults."""
        self.delay_s, self.error_share, self.is_lost = 0.0, 0.0, False
        self.is_denied, self.on_request = False, None

    def wrapped(self, application: Any) -> Any:
        """Return a WSGI application that does what is set here."""

        def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            self.requests.append((method, path))
            if self.on_request is not None:
                self.on_request(method, path)
            if self.delay_s:
                time.sleep(self.delay_s)
            if self.is_lost or self.chance.random() < self.error_share:
                # A body that is not read would be taken for the next request.
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start("503 Slow Down", [("Content-Length", "0")])
                return [b""]
            if self.is_denied:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start("403 Forbidden", [("Content-Length", str(len(_DENIED)))])
                return [_DENIED]
            found: Iterable[bytes] = application(environ, start)
            return found

        return answer


@contextmanager
def running_server() -> Iterator[S3Server]:
    """Run a server without a bucket."""
    pytest.importorskip("obstore")
    moto = pytest.importorskip("moto.server")
    serving = pytest.importorskip("werkzeug.serving")
    server = S3Server()
    application = moto.DomainDispatcherApplication(moto.create_backend_app)
    # Head and body of a reply are sent apart: with Nagle's algorithm the second would wait 40 ms for the first.
    options = {"log": lambda *_: None, "protocol_version": "HTTP/1.1", "disable_nagle_algorithm": True}
    quiet = type("Quiet", (serving.WSGIRequestHandler,), options)
    running = serving.make_server("127.0.0.1", 0, server.wrapped(application), threaded=True, request_handler=quiet)
    server.port = running.server_port
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        running.shutdown()
        thread.join(30)
        running.server_close()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server with one bucket, and set the environment of this process to use it."""
    with running_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        before = process.current()
        process.install(CacheBudget.renderer(64 << 20))
        try:
            make_bucket(BUCKET)
            yield server
        finally:
            process.reinstall(before)


def make_bucket(name: str) -> None:
    """Create a bucket in the server of this process's environment, whose objects anybody may read by their names."""
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]}).encode()
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/s3/aws4_request"}
    connection = http.client.HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc, timeout=30)
    for address, body in ((f"/{name}", b""), (f"/{name}?policy", policy)):
        connection.request("PUT", address, body, headers)
        response = connection.getresponse()
        response.read()
        assert response.status in (200, 204)
    connection.close()
