"""``lazytile doctor``: each thing that is wrong is found, with what to do, and decides the exit code."""

import email.message
import json
import shutil
import socket
import time

import pytest

from lazytile.service.cli import main
from lazytile.service.cli.doctor import installation, surroundings
from lazytile.service.http.settings import Settings
from tests import data
from tests.service.harness import running


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("STORE", "CACHE", "ENGINE", "MEMORY", "SETTINGS_FILE", "PORT"):
        monkeypatch.delenv(f"LAZYTILE_{name}", raising=False)


@pytest.fixture
def diagnose(capsys, tmp_path, store):
    def diagnose(*options, **changes):
        given = {"--store": store, "--cache": tmp_path / "c", "--port": "0", "--engine": "threads", **changes}
        arguments = [str(part) for pair in given.items() if pair[1] is not None for part in pair]
        code = main.run(["doctor", "--json", *arguments, *options])
        document = json.loads(capsys.readouterr().out)
        found = {}
        for each in document["findings"]:
            found.setdefault(each["check"], []).append(each)
        assert document["ok"] is (code == 0)
        assert all(each["advice"] for each in document["findings"] if each["status"] in ("warning", "error"))
        return code, found

    return diagnose


def errors(found):
    return {name for name, each in found.items() if any(one["status"] == "error" for one in each)}


def test_a_sound_installation(diagnose, capsys, store, tmp_path):
    code, found = diagnose()
    assert (code, errors(found)) == (0, set())
    assert {"packages", "extras", "kernel", "GPU", "engine", "store", "cache", "port", "clock"} <= found.keys()
    assert "7 datasets" in found["store"][0]["text"]
    assert main.run(["doctor", "--store", str(store), "--cache", str(tmp_path / "c"), "--port", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(("ok", "note", "WARNING")) for line in lines) >= 9
    assert not (tmp_path / "c").exists(), "nothing is made"


def test_a_store_that_is_not_there_or_damaged(diagnose, tmp_path):
    code, found = diagnose(**{"--store": tmp_path / "none"})
    assert (code, errors(found)) == (1, {"store"})
    assert "lazytile convert FILE" in found["store"][0]["advice"]
    folder = tmp_path / "store"
    for name in ("odd_sizes", "constant"):
        data.CATALOGUE[name]().write(folder)
    (folder / "constant.zarr" / "zarr.json").write_text("{")
    code, found = diagnose(**{"--store": folder})
    assert (code, errors(found)) == (1, {"store"})
    damaged, whole = found["store"]
    assert "dataset constant cannot be opened" in damaged["text"]
    assert "lazytile verify constant" in damaged["advice"]
    assert "1 datasets" in whole["text"]
    empty = tmp_path / "empty"
    empty.mkdir()
    code, found = diagnose(**{"--store": empty})
    assert (code, found["store"][0]["status"]) == (0, "warning")


def test_ports(diagnose, store, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.1)
        code, found = diagnose(**{"--port": other.getsockname()[1]})
        assert (code, errors(found)) == (1, {"port"})
        assert "Address already in use" in found["port"][0]["text"]
    with running(store, tmp_path / "running") as server:
        code, found = diagnose(**{"--port": server.port})
        assert (code, found["port"][0]["status"]) == (0, "note")
        assert "in use by lazytile" in found["port"][0]["text"]
    assert errors(diagnose("--host", "999.1.1.1")[1]) == {"port"}


def test_settings(diagnose, tmp_path, monkeypatch):
    file = tmp_path / "settings.toml"
    file.write_text("timeout = 3\nmetatile = 99\n")
    code, found = diagnose("--settings", str(file))
    assert (code, errors(found)) == (1, {"settings"})
    assert len([each for each in found["settings"] if each["status"] == "error"]) == 2
    file.write_text('memory_bytes = "500GiB"\n')
    monkeypatch.setenv("LAZYTILE_PROT", "3")
    code, found = diagnose("--settings", str(file))
    assert code == 0
    assert found["memory"][0]["status"] == found["settings"][0]["status"] == "warning"
    assert "LAZYTILE_PORT" in found["settings"][0]["advice"]


def test_the_cache(diagnose, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert errors(diagnose(**{"--cache": tmp_path / "file" / "c"})[1]) == {"cache"}
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    code, found = diagnose()
    assert (code, found["cache"][0]["status"]) == (0, "warning")


def test_the_engine(diagnose):
    with socket.create_server(("127.0.0.1", 0)) as scheduler:
        port = scheduler.getsockname()[1]
        assert errors(diagnose(**{"--engine": f"tcp://127.0.0.1:{port}"})[1]) == set()
    assert errors(diagnose(**{"--engine": f"tcp://127.0.0.1:{port}"})[1]) == {"engine"}
    assert errors(diagnose(**{"--engine": "warp"})[1]) == {"engine"}


def test_the_clock(store, tmp_path, monkeypatch):
    cache = tmp_path / "c"
    cache.mkdir()
    settings = Settings.of(cache=cache, store=store)
    assert [each.status for each in surroundings.clock(settings)] == ["ok"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    [finding] = surroundings.clock(settings)
    assert (finding.status, "-36" in finding.text) == ("warning", True)
    monkeypatch.setattr(time, "time", lambda: 86400.0)
    assert [each.status for each in surroundings.clock(settings)] == ["error"]


def test_packages_that_are_missing_or_old(monkeypatch):
    real = installation.metadata.version

    def version(name):
        if name == "yarl":
            raise installation.metadata.PackageNotFoundError(name)
        return {"numpy": "1.26.4", "aiohttp": "99.0.0rc1", "uvloop": "0.1"}.get(name, real(name))

    uvloop = "uvloop>=0.21; sys_platform != 'win32' and extra == 'uvloop'"
    required = ["yarl>=1.18", "numpy>=2.1", "aiohttp>=3.14", uvloop]
    monkeypatch.setattr(installation.metadata, "version", version)
    monkeypatch.setattr(installation.metadata, "requires", lambda _: required)
    described = email.message.Message()
    described["Provides-Extra"] = "uvloop"
    monkeypatch.setattr(installation.metadata, "metadata", lambda _: described)
    finding = next(installation.installed(Settings.of()))
    assert finding.status == "error"
    assert "yarl is missing" in finding.text
    assert "numpy is 1.26.4, 2.1 is needed" in finding.text
    assert "aiohttp" not in finding.text
    findings = list(installation.extras(Settings.of(event_loop="uvloop")))
    assert [each.status for each in findings] == ["error", "note"]
    assert "lazytile[uvloop]" in findings[0].advice


def test_an_extra_that_consists_of_others_is_installed_with_all_of_them(monkeypatch):
    def version(name):
        raise installation.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(installation.metadata, "version", version)
    required = ["lerc>=4.0; extra == 'lerc'", "lazytile[br, lerc] ; extra == 'all'", "lazytile[br]; extra == 'text'"]
    monkeypatch.setattr(installation.metadata, "requires", lambda _: required)
    described = email.message.Message()
    for name in ("all", "br", "lerc", "text"):
        described["Provides-Extra"] = name
    monkeypatch.setattr(installation.metadata, "metadata", lambda _: described)
    (finding,) = installation.extras(Settings.of())
    assert finding.text == "installed: br, text; not installed: all, lerc"


def test_the_kernel(monkeypatch):
    from lazytile.pyramid.core.errors import EngineError

    def missing(*_):
        raise EngineError("it was not built")

    monkeypatch.setattr("lazytile.pyramid.kernel.selection.library_path", missing)
    assert [each.status for each in installation.kernel(Settings.of())] == ["warning"]
    assert [each.status for each in installation.kernel(Settings.of(kernel="native"))] == ["error"]
    assert [each.status for each in installation.kernel(Settings.of(kernel="numpy"))] == ["ok"]


def test_a_check_that_fails_leaves_the_others_their_turn(diagnose, monkeypatch):
    def broken(_):
        raise RuntimeError("unforeseen")
        yield

    broken.__name__ = "store"
    monkeypatch.setattr(surroundings, "store", broken)
    code, found = diagnose()
    assert (code, errors(found)) == (1, {"store"})
    assert "clock" in found
