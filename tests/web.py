"""A web server on this machine that misbehaves as told, and remembers what it was asked."""

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
class Answer:
    """What a path answers. ``cuts``: after how many bytes each of the next answers breaks off."""

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
    """Statuses of the next answers, before it works."""
    login: str = ""
    """The ``Authorization`` without which the answer is 401."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]


class Web:
    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.port = server.server_address[1]
        self.answers: dict[str, Answer | Callable[[Asked], Answer]] = {}
        self.otherwise: Callable[[Asked], Answer] = lambda _: Answer(status=404)
        """Answers what is not named."""
        self.asked: list[Asked] = []

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def headers(self, path: str, name: str) -> list[str | None]:
        """Return a header of every request for a path, in their order."""
        return [each.headers.get(name.lower()) for each in self.asked if each.path == path]

    def answer(self, asked: Asked) -> Answer:
        found = self.answers.get(asked.path, self.answers.get(urlsplit(asked.path).path, self.otherwise))
        return found if isinstance(found, Answer) else found(asked)


def _handler(state: list[Web]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web = state[0]
            asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
            web.asked.append(asked)
            self.give(web.answer(asked))

        do_HEAD = do_GET

        def give(self, answer: Answer) -> None:
            status, body, headers = answer.status, answer.body, dict(answer.headers)
            if answer.failures:
                status, body = answer.failures.pop(0), b""
            elif answer.login and self.headers.get("Authorization") != answer.login:
                status, body = 401, b""
            elif status == 200:
                status, body, found = self.placed(answer)
                headers |= found
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if answer.length:
                self.send_header("Content-Length", str(len(body)))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = not answer.length
            if self.command == "HEAD":
                return
            if answer.cuts and status in (200, 206):
                cut = answer.cuts.pop(0)
                self.wfile.write(body[:cut])
                self.wfile.flush()
                if answer.stall is not None:
                    answer.stall.wait(60)
                self.close_connection = True
                return
            self.wfile.write(body)

        def placed(self, answer: Answer) -> tuple[int, bytes, dict[str, str]]:
            """Answer conditions and ranges as RFC 9110 says."""
            headers = {}
            if answer.etag:
                headers["ETag"] = answer.etag
            if answer.modified:
                headers["Last-Modified"] = answer.modified
            if answer.etag and self.headers.get("If-None-Match") == answer.etag:
                return 304, b"", headers
            if answer.modified and self.headers.get("If-Modified-Since") == answer.modified:
                return 304, b"", headers
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            condition = self.headers.get("If-Range")
            if not match or not answer.ranges or condition not in (None, answer.etag, answer.modified):
                return 200, answer.body, headers
            start, size = int(match[1]), len(answer.body)
            if start >= size:
                return 416, b"", headers | {"Content-Range": f"bytes */{size}"}
            stop = min(size, int(match[2]) + 1) if match[2] else size
            return 206, answer.body[start:stop], headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}

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


def folder(root: Path, *, lists: bool = False) -> Callable[[Asked], Answer]:
    """Answer with the files of a folder, and as S3 and Google's XML API do with lists of a bucket (``list-type=2``)."""

    def answer(asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        place = root / unquote(parts.path).strip("/")
        if lists and query.get("list-type") == "2":
            return _listed(place, query)
        if not place.is_file():
            return Answer(status=404)
        body = place.read_bytes()
        return Answer(body, etag=f'"{hashlib.md5(body).hexdigest()}"', modified=OLD)

    return answer


def _listed(bucket: Path, query: dict[str, str]) -> Answer:
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
    return Answer(text.encode(), headers={"Content-Type": "application/xml"})


def until(condition: Callable[[], bool], limit_s: float = 60) -> None:
    """Wait until something is so."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)
