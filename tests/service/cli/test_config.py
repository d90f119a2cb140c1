"""``lazytile config``: what is shown is what a server gets, and what is wrong is named."""

import json
import tomllib

import pytest

from lazytile.service.cli import main
from lazytile.service.http.settings import Settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("STORE", "CACHE", "ENGINE", "MEMORY", "SETTINGS_FILE", "PORT"):
        monkeypatch.delenv(f"LAZYTILE_{name}", raising=False)


@pytest.fixture
def run(capsys):
    def run_command(*arguments):
        code = main.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "lazytile.toml"
    path.write_text(
        'timeout_s = 3\nengine = "threads"\ntrusted_proxies = ["10.0.0.0/8"]\n[layer_max_age_s]\n"a b" = 3\n'
    )
    return path


def test_what_is_shown_is_a_file_with_the_same_settings(run, file, tmp_path, monkeypatch):
    monkeypatch.setenv("LAZYTILE_PORT", "8099")
    code, out, _ = run("config", "show", "--settings", file)
    assert code == 0
    shown = tmp_path / "shown.toml"
    shown.write_text(out)
    assert tomllib.loads(out)["port"] == 8099
    monkeypatch.delenv("LAZYTILE_PORT")
    again = Settings.of(settings_file=shown)
    assert again.model_copy(update={"settings_file": file, "port": 8080}) == Settings.of(settings_file=file)
    assert "port = 8099  # LAZYTILE_PORT" in out
    assert f"timeout_s = 3.0  # {file}" in out
    assert "\nqueue_length = 1024\n" in out


def test_show_as_json_names_the_sources(run, file):
    document = json.loads(run("config", "show", "--settings", file, "--json")[1])
    assert document.keys() == Settings.model_fields.keys()
    assert document["timeout_s"] == {"value": 3.0, "source": str(file)}
    assert document["port"] == {"value": 8080, "source": "default"}


def test_check_names_everything_that_is_wrong_and_the_nearest_right_name(run, tmp_path, monkeypatch):
    assert run("config", "check") == (0, "the settings are valid\n", "")
    path = tmp_path / "bad.toml"
    path.write_text("timeout = 3\nqueue_lenght = 5\nmetatile = 99\n")
    monkeypatch.setenv("LAZYTILE_PROT", "3")
    monkeypatch.setenv("LAZYTILE_PORT", "x")
    code, out, err = run("config", "check", "--settings", path)
    assert (code, err) == (1, "")
    lines = sorted(out.splitlines())
    assert [line.partition(": ")[0] for line in lines] == [
        *([str(path)] * 3),
        "environment variable LAZYTILE_PORT",
        "environment variable LAZYTILE_PROT",
    ]
    for nearest in ("is timeout_s", "is queue_length", "is LAZYTILE_PORT"):
        assert sum(line.endswith(f"the nearest {nearest}") for line in lines) == 1, out
    document = json.loads(run("config", "check", "--settings", path, "--json")[1])
    assert document["valid"] is False
    assert sorted(document["problems"]) == lines


def test_serve_takes_store_and_engine_from_the_file(run, tmp_path, store):
    path = tmp_path / "lazytile.toml"
    path.write_text(f'store = "{tmp_path / "none"}"\n')
    assert f"there is no store at {tmp_path / 'none'}" in run("serve", "--settings", path)[2]
    path.write_text(f'store = "{store}"\nengine = "warp"\n')
    assert "no engine is called 'warp'" in run("serve", "--settings", path, "--port", 0)[2]
    assert "no engine is called 'weft'" in run("serve", "--settings", path, "--engine", "weft")[2]


def test_a_server_warns_of_variables_that_mean_nothing(run, store, monkeypatch, caplog):
    monkeypatch.setenv("LAZYTILE_QUEUE", "3")
    run("serve", "--store", store, "--engine", "warp")
    [warning] = [record.message for record in caplog.records if "LAZYTILE_QUEUE" in record.message]
    assert warning.startswith("the environment variable LAZYTILE_QUEUE is ignored: ")
    assert warning.endswith("the nearest is LAZYTILE_QUEUE_LENGTH")


@pytest.mark.parametrize(("host", "count"), [("0.0.0.0", 1), ("::", 1), ("127.0.0.1", 0)])
def test_a_server_on_every_network_warns_once(run, store, caplog, monkeypatch, host, count):
    from lazytile.service.app import server

    monkeypatch.setattr(server, "run_one", lambda *_: None)
    run("serve", "--store", store, "--engine", "threads", "--host", host)
    warnings = [record.message for record in caplog.records if "every network" in record.message]
    assert len(warnings) == count
    assert all(f"--host {host}" in each for each in warnings)
