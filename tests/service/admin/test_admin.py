"""The API for administrators: a listener of its own, a token, status, reload, and the tile cache."""

import http.client
import json
import os
import subprocess
import sys
import time

import pytest

from lazytile.service.app.listening import listen
from lazytile.service.cli import main
from lazytile.service.http.errors import SettingsError
from lazytile.service.http.settings import Settings
from lazytile.service.tiles.cache_folder import cache_content
from lazytile.service.tiles.tile_tag import TileTag
from tests.service.app.test_processes import serving
from tests.service.harness import running

TOKEN = "a-token-of-an-administrator"
TIMES = "/xyz/time_steps/{}/0/0.png?time={}"


def free_port():
    with listen("127.0.0.1", 0) as sock:
        return sock.getsockname()[1]


class Admin:
    def __init__(self, port):
        self.port = port

    def ask(self, method, path, token=TOKEN):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers={} if token is None else {"Authorization": f"Bearer {token}"})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_status_reload_and_cache_of_a_server(store, tmp_path, monkeypatch, workers):
    port, file = free_port(), tmp_path / "lazytile.toml"
    file.write_text('capabilities_title = "one"\n')
    monkeypatch.setenv("LAZYTILE_ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("LAZYTILE_ADMIN_ADDRESS", f"127.0.0.1:{port}")
    options = ("--engine", "threads", "--workers", workers, "--settings", str(file), "--offline")
    with serving(store, tmp_path / "c", *options) as server:
        admin = Admin(port)
        for token in (None, "wrong", TOKEN[:-1], ""):
            assert admin.ask("GET", "/status", token)[0] == 401
        status, document = admin.ask("GET", "/status")
        assert (status, document["pid"]) == (200, server.process.pid)
        assert document["address"] == f"http://127.0.0.1:{server.port}/"
        assert "thread" in document["engine"]
        if workers == "2":
            assert len({each["pid"] for each in document["processes"]}) == 2
            assert all(each["ready"] for each in document["processes"])
        assert server.get("/status").status == 404, "the public listener has none of it"

        for _ in range(6):  # both processes
            for date in ("2024-01-01", "2024-01-02"):
                assert server.get(TIMES.format(2, date)).status == 200
            assert server.get("/xyz/mercator/2/1/1.png").status == 200
        wait_for(lambda: admin.ask("GET", "/cache")[1]["datasets"] == {"mercator": 1, "time_steps": 2})
        assert admin.ask("DELETE", "/cache?layer=time_steps&time=2024-01-01") == (
            200,
            {"deleted": 1, "layer": "time_steps", "time": "2024-01-01"},
        )
        tiers = {server.get(TIMES.format(2, "2024-01-01")).headers["Server-Timing"].split(",")[0] for _ in range(4)}
        assert "cache;desc=computed" in tiers
        assert "computed" not in server.get(TIMES.format(2, "2024-01-02")).headers["Server-Timing"]
        assert admin.ask("DELETE", "/cache")[1]["deleted"] >= 2
        assert "computed" in server.get("/xyz/mercator/2/1/1.png").headers["Server-Timing"]
        assert admin.ask("DELETE", "/cache?tile=3")[0] == 400

        file.write_text('capabilities_title = "two"\n')
        assert admin.ask("POST", "/reload")[0] == 202
        wait_for(lambda: b"<ows:Title>two" in server.get("/wmts/1.0.0/WMTSCapabilities.xml").body)
        file.write_text("capabilities_titel = 3\n")
        status, document = admin.ask("POST", "/reload")
        assert (status, "capabilities_title" in document["error"]) == (400, True)
        assert admin.ask("GET", "/reload")[0] == 405
        assert admin.ask("GET", "/none")[0] == 404


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_there_is_no_listener_by_default_and_none_without_a_token():
    assert Settings.of().admin_address is None
    for options in ({}, {"admin_token": "short"}):
        with pytest.raises(SettingsError, match="admin_address needs an admin_token"):
            Settings.of(admin_address="127.0.0.1:8090", **options)
    for address in ("8090", "localhost", "a:b", "host:99999", ":80"):
        with pytest.raises(SettingsError, match="HOST:PORT"):
            Settings.of(admin_address=address, admin_token=TOKEN)


def test_tokens_are_not_shown(capsys, monkeypatch):
    monkeypatch.setenv("LAZYTILE_ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("LAZYTILE_LAYER_TOKENS", json.dumps({"sst": [TOKEN]}))
    for options in ((), ("--json",)):
        assert main.run(["config", "show", *options]) == 0
        shown = capsys.readouterr().out
        assert TOKEN not in shown
        assert "secret" in shown


def test_the_cache_on_the_command_line(store, tmp_path, capsys):
    cache = tmp_path / "c"

    def run(*arguments):
        code = main.run([*arguments, "--cache", str(cache)])
        return code, capsys.readouterr().out.strip()

    assert main.run(["cache", "info", "--cache", str(cache)]) == 2
    assert "there is no tile cache at" in capsys.readouterr().err
    with running(store, cache) as server:
        for path in (TIMES.format(1, "2024-01-01"), TIMES.format(1, "2024-01-02"), "/xyz/two_variables.u/1/0/0.png"):
            assert server.get(path).status == 200
        wait_for(lambda: cache_content(cache).tiles == 3)
        document = json.loads(run("cache", "info", "--json")[1])
        assert document["datasets"] == {"time_steps": 2, "two_variables": 1}
        assert document["tiles"] == 3
        assert 0 < document["nbytes"] < document["disk_bytes"]
        assert "3 tiles" in run("cache", "info")[1]
        assert run("cache", "clear", "--layer", "two_variables.rain") == (0, "0 tiles deleted")
        assert run("cache", "clear", "--layer", "two_variables.u") == (0, "1 tile deleted")
        assert run("cache", "clear", "--time", "2024-01-02", "--json") == (0, '{"deleted": 1}')
        wait_for(lambda: "computed" in server.get(TIMES.format(1, "2024-01-02")).headers["Server-Timing"])
        assert run("cache", "clear", "--layer", "none") == (0, "0 tiles deleted")
        wait_for(lambda: cache_content(cache).tiles == 2)
        assert run("cache", "clear") == (0, "2 tiles deleted")
    assert run("cache", "info")[1].splitlines() == [f"{cache}: 0 tiles, 0.0 MiB of at most 2048 MiB"]


@pytest.mark.parametrize(
    ("layer", "time_label", "fits"),
    [
        ("", "", True), ("ds", "", True), ("ds.a", "", True), ("ds.b", "", True), ("ds.c", "", False),
        ("d", "", False), ("", "2024", True), ("", "2024-02", False), ("ds.b", "2024-01-01", True),
        ("x", "2024", False),
    ],
)  # fmt: skip
def test_which_tiles_a_layer_and_a_time_mean(layer, time_label, fits):
    tag = TileTag("ds", "g1+g2", ("ds.a", "ds.b"), "2024-01-01T00:00:00Z")
    assert TileTag.parse(str(tag)) == tag
    assert tag.fits(layer, time_label) is fits


def test_tiles_of_earlier_versions_go_when_they_may_be_meant():
    tag = TileTag.parse("ds:g1")
    assert (tag.dataset, tag.generation) == ("ds", "g1")
    assert tag.fits("ds.a", "2024")
    assert not tag.fits("other", "")
    assert TileTag.parse(None).dataset == ""


@pytest.mark.skipif(sys.platform != "linux", reason="sends signals")
def test_a_port_of_the_api_in_use_is_one_line(store, tmp_path, monkeypatch):
    with listen("127.0.0.1", 0) as sock:
        environment = {
            **os.environ,
            "LAZYTILE_ADMIN_TOKEN": TOKEN,
            "LAZYTILE_ADMIN_ADDRESS": f"127.0.0.1:{sock.getsockname()[1]}",
        }
        command = [sys.executable, "-m", "lazytile.service", "serve", "--store", str(store), "--port", "0"]
        done = subprocess.run(
            [*command, "--cache", str(tmp_path / "c"), "--engine", "threads"],
            capture_output=True, text=True, env=environment, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
