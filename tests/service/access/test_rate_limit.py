"""How often a client may ask: the same on both paths, in a table that does not grow."""

import multiprocessing
import time

import pytest

from lazytile.service.access.rate_limit import ClientTable, RateLimit
from tests.service.front.requests import Client
from tests.service.harness import running

TILE = "/xyz/global_180/2/1/1.png"


def limit(size=64, per_s=2.0, burst=3):
    now = [100.0]
    table = ClientTable(size, multiprocessing.get_context("spawn"))
    return RateLimit(table, per_s, burst, clock=lambda: now[0]), now


def test_a_burst_then_the_rate():
    limited, now = limit()
    assert [limited.count("a") for _ in range(5)] == [0, 0, 0, 1, 1]
    assert limited.count("b") == 0, "each client has its own"
    now[0] += 0.5
    assert [limited.count("a") for _ in range(2)] == [0, 1]
    now[0] += 100
    assert [limited.count("a") for _ in range(4)] == [0, 0, 0, 1]


def test_the_wait_is_long_enough():
    limited, now = limit(per_s=0.1, burst=1)
    assert limited.count("a") == 0
    now[0] += 3.5
    wait = limited.count("a")
    assert wait == 7
    now[0] += wait
    assert limited.count("a") == 0


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_what_counts_as_one_client(one, other, is_same):
    limited, _ = limit(burst=1)
    limited.count(one)
    assert (limited.count(other) > 0) is is_same


def test_the_table_does_not_grow_and_keeps_those_who_ask():
    limited, now = limit(size=64, burst=2)
    limited.count("busy")
    limited.count("busy")
    for number in range(5000):
        now[0] += 0.0001
        assert limited.count(f"10.0.{number // 256}.{number % 256}") == 0
        if number % 20 == 0:
            limited.count("busy")
    assert len(limited._table._times) == 64


def test_the_server_refuses_on_both_paths_and_not_the_monitors(store, tmp_path):
    with running(store, tmp_path / "c", rate_limit=0.5, rate_limit_burst=6) as server, Client(server.port) as client:
        statuses = [client.ask(TILE)[0] for _ in range(6)]
        status, headers, body = client.ask(TILE)
        headers = dict(headers)
        assert (statuses, status) == ([200] * 6, 429)
        assert int(headers["Retry-After"]) == 2
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert b"too many requests" in body
        assert client.ask("/wmts/1.0.0/WMTSCapabilities.xml")[0] == 429
        assert {client.ask(path)[0] for path in ("/healthz", "/readyz", "/metrics")} == {200}
        assert server.counter("lazytile_requests_total", route="xyz", status="429") == 1
        time.sleep(2.1)
        assert client.ask(TILE)[0] == 200


def test_the_client_behind_a_trusted_proxy_is_limited_and_not_the_proxy(store, tmp_path):
    options = {"rate_limit": 0.1, "rate_limit_burst": 2, "trusted_proxies": ("127.0.0.1",)}
    with running(store, tmp_path / "c", **options) as server:
        for client in ("192.0.2.1", "192.0.2.2"):
            statuses = [server.get(TILE, {"X-Forwarded-For": client}).status for _ in range(3)]
            assert statuses == [200, 200, 429]
        # What the client itself writes does not help.
        assert server.get(TILE, {"X-Forwarded-For": "198.51.100.1, 192.0.2.1"}).status == 429
    with running(store, tmp_path / "c", rate_limit=0.1, rate_limit_burst=2) as server:
        statuses = [server.get(TILE, {"X-Forwarded-For": f"192.0.2.{n}"}).status for n in range(3)]
        assert statuses == [200, 200, 429], "without trusted proxies nobody believes the header"
