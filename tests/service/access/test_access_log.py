"""The access log: every request has its line, whichever path answers it; no client can forge one; nothing waits."""

import asyncio
import json
import os
import re
import time
import weakref

import pytest

from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.access.access_log import AccessLog
from lazytile.service.access.exchange import Exchange, Exchanges, Sent
from lazytile.service.access.line_writer import LineWriter
from lazytile.service.access.log_lines import line_format, tier_and_stages
from lazytile.service.http.proxies import networks_of
from lazytile.service.http.reply import server_timing
from tests.service.front.requests import Client
from tests.service.harness import running

TILE = "/xyz/global_180/2/1/1.png"
LINE = re.compile(
    r'(?P<client>\S+) - - \[(?P<time>\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "(?P<request>[^"]*)" (?P<status>\d{3}) '
    r'(?P<size>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<id>\S+) (?P<tier>\S+) (?P<seconds>\d+\.\d{6}) '
    r'"(?P<stages>[^"]*)"'
)


def exchange(**changes):
    fields = {
        "ended": 1700000000.5, "seconds": 0.01, "remote": "127.0.0.1", "method": "GET", "target": "/", "headers": {},
        "status": 200, "size": 3, "request_id": "abc", "timing": "", "route": "xyz", **changes,
    }  # fmt: skip
    return Exchange(**fields)


def lines_of(path, count):
    deadline = time.monotonic() + 10
    while len(lines := path.read_text().splitlines()) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return lines


def test_every_request_has_its_line(store, tmp_path):
    log = tmp_path / "access.log"
    with (
        running(store, tmp_path / "c", access_log="combined", access_log_file=log) as server,
        Client(server.port) as client,
    ):
        wanted = []
        for target, method, headers in (
            (TILE, "GET", {}),
            (TILE, "GET", {"X-Request-Id": "mine-1"}),
            (TILE, "HEAD", {"User-Agent": "agent 7", "Referer": "http://a.example/b"}),
            (TILE.replace("/1.png", "/2.png"), "GET", {}),
            ("/xyz/none/0/0/0.png", "GET", {}),
            ("/wmts?service=WMTS", "GET", {}),
            ("/", "GET", {}),
            ("/nowhere", "OPTIONS", {}),
        ):
            status, _, body = client.ask(target, method, headers)
            wanted.append((f"{method} {target} HTTP/1.1", str(status), str(len(body)), client.request_id))
        etag = dict(client.ask(TILE)[1])["ETag"]
        status, _, _ = client.ask(TILE, "GET", {"If-None-Match": etag})
        assert status == 304
        lines = [LINE.fullmatch(line) for line in lines_of(log, len(wanted) + 2)]
    assert all(lines)
    assert [(line["request"], line["status"], line["size"], line["id"]) for line in lines[: len(wanted)]] == wanted
    assert [line["tier"] for line in lines[:4]] == ["computed", "memory", "memory", "computed"]
    assert [line["tier"] for line in lines[4:]] == ["-"] * 4 + ["memory", "client"]
    assert "render=" in lines[0]["stages"]
    assert (lines[2]["agent"], lines[2]["referer"]) == ("agent 7", "http://a.example/b")
    assert lines[1]["id"] == "mine-1"
    assert {line["client"] for line in lines} == {"127.0.0.1"}


def test_the_log_as_json(store, tmp_path):
    log = tmp_path / "access.log"
    options = {"access_log": "json", "access_log_file": log, "trusted_proxies": ("127.0.0.1",)}
    with running(store, tmp_path / "c", **options) as server:
        server.get(TILE, {"X-Forwarded-For": "evil, 192.0.2.7", "User-Agent": 'a"\\b'})
        [line] = [json.loads(line) for line in lines_of(log, 1)]
    assert (line["client"], line["target"], line["status"]) == ("192.0.2.7", TILE, 200)
    assert (line["tier"], line["user_agent"], line["level"]) == ("computed", 'a"\\b', "INFO")
    assert line["stages_ms"].keys() >= {"queue", "render"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


@pytest.mark.parametrize("options", [{"access_log": "off"}, {"access_log": "combined", "log_level": "warning"}])
def test_no_log_where_it_is_switched_off(store, tmp_path, options):
    log = tmp_path / "access.log"
    with running(store, tmp_path / "c", access_log_file=log, **options) as server:
        server.get(TILE)
        assert not server.context.exchanges.is_wanted
    assert not log.exists()


@pytest.mark.parametrize(
    ("stages_s", "described"),
    [
        ({}, {}), ({}, {"cache": "memory"}), ({"resolve": 0.00123}, {}),
        ({"resolve": 0.00123, "queue": 0.0, "render": 12.5}, {"cache": "computed"}),
    ],
)  # fmt: skip
def test_a_line_says_what_server_timing_says(stages_s, described):
    timing = server_timing(stages_s, **described)
    line = LINE.fullmatch(line_format("combined", ())(exchange(timing=timing)))
    tier, stages = tier_and_stages(timing)
    assert (line["tier"], line["stages"]) == (tier or "-", " ".join("=".join(each) for each in stages) or "-")


def test_no_client_forges_a_line():
    forged = 'x" 200 3 "-" "-" id\n127.0.0.1 - - [now] "GET / HTTP/1.1"\r\x1b[31m\\\xe9\ud800'
    line = line_format("combined", ())(exchange(target=forged, headers={"User-Agent": forged, "Referer": forged}))
    assert LINE.fullmatch(line)
    assert line.isascii()
    assert line.isprintable()
    as_json = line_format("json", ())(exchange(target=forged, headers={"User-Agent": forged}))
    assert as_json.isascii()
    assert "\n" not in as_json
    assert json.loads(as_json)["target"] == forged


def test_long_texts_are_cut_off():
    line = line_format("combined", ())(exchange(target="/" + "a" * 100_000, headers={"User-Agent": "b" * 100_000}))
    assert len(line) < 5000
    assert len(line_format("json", ())(exchange(target="/" + "a" * 100_000))) < 5000


def test_the_client_is_whom_trusted_proxies_name():
    form = line_format("combined", networks_of(["10.0.0.0/8"]))

    def client(remote, **headers):
        return form(exchange(remote=remote, headers=headers)).split()[0]

    assert client("192.0.2.1", **{"X-Forwarded-For": "1.1.1.1"}) == "192.0.2.1"
    assert client("10.1.1.1", **{"X-Forwarded-For": "1.1.1.1, 192.0.2.9"}) == "192.0.2.9"
    assert client("10.1.1.1", **{"X-Forwarded-For": "192.0.2.9, 10.2.2.2"}) == "192.0.2.9"
    assert client("10.1.1.1", Forwarded='for="[2001:db8::1]:4711";proto=https') == "2001:db8::1"
    assert client("10.1.1.1", Forwarded="for=_hidden") == "10.1.1.1"
    assert client(None) == "-"


def test_batches_are_bounded_and_in_order():
    asyncio.run(gather_and_flush())


def test_lines_are_made_at_once_and_no_request_is_kept(tmp_path):
    asyncio.run(gather_lines(tmp_path / "log"))


class Headers(dict):
    """Headers that can be referred to weakly."""


class Request:
    remote, method, headers = "::1", "GET", {}

    def __init__(self, number):
        self.raw_path = f"/{number}"


async def gather_lines(path):
    log = AccessLog(line_format("combined", ()), LineWriter(path, 1 << 20))
    exchanges = Exchanges(access_log=log)
    for number in range(300):
        request = Request(number)
        request.headers = Headers()
        kept = weakref.ref(request.headers)
        exchanges.add(request, "xyz", Sent(200, 1, "x"), 0.0)
        del request
        assert kept() is None
    exchanges.flush()
    log.close()
    targets = [LINE.fullmatch(line)["request"].split()[1] for line in path.read_text().splitlines()]
    assert targets == [f"/{number}" for number in range(300)]


async def gather_and_flush():
    batches = []
    exchanges = Exchanges([batches.append])

    for number in range(256 + 3):
        exchanges.add(Request(number), "xyz", Sent(200, 1, "x"), 0.0)
    assert [len(batch) for batch in batches] == [256]
    exchanges.flush()
    exchanges.flush()
    assert [len(batch) for batch in batches] == [256, 3]
    assert [each.target for batch in batches for each in batch] == [f"/{number}" for number in range(256 + 3)]


def test_a_reader_that_has_stopped_delays_nothing_and_lost_lines_are_counted(tmp_path):
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    lost = []
    writer = LineWriter(fifo, 1 << 16, lost.append)
    lines = ["x" * 999] * 10
    for _ in range(50):
        writer.write(lines)
    assert sum(lost) > 300
    assert sum(lost) % 10 == 0
    assert [each.key for each in Conditions.current().all()] == ["access log"]
    got, deadline = b"", time.monotonic() + 10
    while len(got) < (500 - sum(lost)) * 1000 and time.monotonic() < deadline:
        try:
            got += os.read(reader, 1 << 16)
        except BlockingIOError:
            time.sleep(0.01)
    assert got == b"".join(b"x" * 999 + b"\n" for _ in range(500 - sum(lost)))
    writer.close(5)
    assert Conditions.current().all() == ()
    os.close(reader)


def test_lines_on_a_pipe_are_written_whole(tmp_path):
    from lazytile.service.access.line_writer import _parts

    lines = [b"%d " % number + b"y" * (number * 37 % 3000) + b"\n" for number in range(100)] + [b"z" * 9000 + b"\n"]
    parts = list(_parts(b"".join(lines), 4096))
    assert b"".join(parts) == b"".join(lines)
    assert all(part.endswith(b"\n") for part in parts)
    assert all(len(part) <= 4096 or part.count(b"\n") == 1 for part in parts)


def test_a_log_that_cannot_be_opened_is_one_line(store, tmp_path):
    from lazytile.service.http.errors import ServiceError

    with (
        pytest.raises(ServiceError, match=r"the access log cannot be written to .*: No such file or directory"),
        running(store, tmp_path / "c", access_log="combined", access_log_file=tmp_path / "none" / "log"),
    ):
        pass
