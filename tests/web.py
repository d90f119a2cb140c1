"""A web server on this machine that misbehaves on demand and records its requests."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OLD = "Sat, 01 Jan 2022 00:00:00 GMT"


@dataclass
class Response:
    """The response to a path. ``cuts``: after how many bytes each of the next responses breaks off."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = ""
    modified: str = ""
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    length: bool = True
    stall: threading.Event | None = None
    """Wait for this after a cut instead of breaking off."""
    failures: list[int] = field(default_factory=list)
    """Statuses of the next responses, before one succeeds."""
    login: str = ""
    """The ``Authorization`` without which the response is 401."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]


class Web:
    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.port = server.server_address[1]
        self.responses: dict[str, Response | Callable[[Request], Response]] = {}
        self.default: Callable[[Request], Response] = lambda _: Response(status=404)
        """Responds to all other paths."""
        self.requests: list[Request] = []

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def headers(self, path: str, name: str) -> list[str | None]:
        """Return a header of every request for a path, in their order."""
        return [each.headers.get(name.lower()) for each in self.requests if each.path == path]

    def response(self, request: Request) -> Response:
        found = self.responses.get(request.path, self.responses.get(urlsplit(request.path).path, self.default))
        return found if isinstance(found, Response) else found(request)


def _handler(state: list[Web]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are sent apart: the second would wait 40 ms for the first

        def do_GET(self) -> None:
            web = state[0]
            request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
            web.requests.append(request)
            self.send(web.response(request))

        do_HEAD = do_GET

        def send(self, response: Response) -> None:
            status, body, headers = response.status, response.body, dict(response.headers)
            if response.failures:
                status, body = response.failures.pop(0), b""
            elif response.login and self.headers.get("Authorization") != response.login:
                status, body = 401, b""
            elif status == 200:
                status, body, found = self.placed(response)
                headers |= found
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if response.length:
                self.send_header("Content-Length", str(len(body)))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = not response.length
            if self.command == "HEAD":
                return
            if response.cuts and status in (200, 206):
                cut = response.cuts.pop(0)
                self.wfile.write(body[:cut])
                self.wfile.flush()
                if response.stall is not None:
                    response.stall.wait(60)
                self.close_connection = True
                return
            self.wfile.write(body)

        def placed(self, response: Response) -> tuple[int, bytes, dict[str, str]]:
            """Return status, body and headers for conditions and ranges (RFC 9110)."""
            headers = {}
            if response.etag:
                headers["ETag"] = response.etag
            if response.modified:
                headers["Last-Modified"] = response.modified
            if response.etag and self.headers.get("If-None-Match") == response.etag:
                return 304, b"", headers
            if response.modified and self.headers.get("If-Modified-Since") == response.modified:
                return 304, b"", headers
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            condition = self.headers.get("If-Range")
            if not match or not response.ranges or condition not in (None, response.etag, response.modified):
                return 200, response.body, headers
            start, size = int(match[1]), len(response.body)
            if start >= size:
                return 416, b"", headers | {"Content-Range": f"bytes */{size}"}
            stop = min(size, int(match[2]) + 1) if match[2] else size
            return 206, response.body[start:stop], headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@contextmanager
def serving() -> Iterator[Web]:
    """Serve on a free port of this machine."""
    state: list[Web] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    state.append(Web(server))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def denying(respond: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Deny access to what is not there, as buckets do that allow no listing."""

    def answer(request: Request) -> Response:
        found = respond(request)
        return Response(status=403) if found.status == 404 else found

    return answer


def folder(root: Path, *, lists: bool = False) -> Callable[[Request], Response]:
    """Respond with files of a folder and, as S3 and Google's XML API do, with lists of a bucket (``list-type=2``)."""

    def response(request: Request) -> Response:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = root / unquote(parts.path).strip("/")
        if lists and query.get("list-type") == "2":
            return _listed(path, query)
        if not path.is_file():
            return Response(status=404)
        body = path.read_bytes()
        return Response(body, etag=f'"{hashlib.md5(body).hexdigest()}"', modified=OLD)

    return response


def _listed(bucket: Path, query: dict[str, str]) -> Response:
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    names = sorted(str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file())
    keys, folders = [], {}
    for name in names:
        if name.startswith(prefix):
            rest = name[len(prefix) :]
            if delimiter and delimiter in rest:
                folders[prefix + rest.partition(delimiter)[0] + delimiter] = None
            else:
                keys.append(name)
    contents = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2022-01-01T00:00:00.000Z</LastModified><ETag>x</ETag>"
        f"<Size>{(bucket / key).stat().st_size}</Size></Contents>"
        for key in keys
    )
    common = "".join(f"<CommonPrefixes><Prefix>{each}</Prefix></CommonPrefixes>" for each in folders)
    text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}{common}</ListBucketResult>"
    return Response(text.encode(), headers={"Content-Type": "application/xml"})


def until(condition: Callable[[], bool], limit_s: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.02)
