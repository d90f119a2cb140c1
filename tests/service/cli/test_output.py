"""What commands print: JSON that a program can read, help, numbers with their nouns, narrow terminals."""

import json
import re

import click
import pytest
import typer.main

from lazytile.service.cli import main
from lazytile.service.cli.options.common import counted
from lazytile.service.cli.options.progress import progress_bar
from tests.service.harness import running

REPORTS = {
    "info": ["info", "--store", "{store}"],
    "info FILE": ["info", "{file}"],
    "stats": ["stats", "field", "--store", "{store}"],
    "point": ["point", "field", "--lon", "1", "--lat", "1", "--store", "{store}"],
    "cache info": ["cache", "info", "--cache", "{tmp}/cache"],
    "cache clear": ["cache", "clear", "--cache", "{tmp}/cache"],
    "config show": ["config", "show"],
    "config check": ["config", "check"],
    "doctor": ["doctor", "--store", "{store}", "--cache", "{tmp}/cache", "--port", "0"],
    "colormap list": ["colormap", "list"],
    "colormap show": ["colormap", "show", "grey"],
    "verify": ["verify", "field", "--store", "{store}"],
    "verify with exports": ["verify", "field", "--store", "{store}", "--mrf", "{mrf}"],
    "warm": ["warm", "field", "--zoom", "0", "--store", "{store}", "--cache", "{tmp}/cache"],
    "export": ["export", "field", "{tmp}/out", "--to", "mbtiles", "--store", "{store}"],
    "mrf": ["mrf", "field", "{tmp}/out", "--store", "{store}"],
    "mrf verify FILE": ["mrf", "verify", "{one}"],
    "mrf verify FOLDER": ["mrf", "verify", "{mrf}"],
    "mrf info": ["mrf", "info", "{one}"],
    "mrf extract": ["mrf", "extract", "{one}", "{tmp}/page.png"],
    "connect qgis": ["connect", "qgis", "{url}", "--output", "{tmp}/qgis"],
}
LIFE = {  # of one dataset, in this order
    "convert": ["convert", "{file}", "--store", "{tmp}/new", "--name", "field"],
    "link": ["link", "{file}", "--store", "{tmp}/new", "--name", "linked"],
    "append": ["append", "{file}", "field", "--store", "{tmp}/new", "--replace-steps"],
    "replace": ["replace", "{file}", "field", "--store", "{tmp}/new"],
    "remove": ["remove", "field", "--store", "{tmp}/new"],
}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    import numpy as np
    import xarray as xr

    tmp = tmp_path_factory.mktemp("output")
    axes = {
        "time": np.array(["2024-01-01", "2024-01-02"], "datetime64[ns]"),
        "lat": ("lat", np.linspace(85, -85, 18), {"units": "degrees_north"}),
        "lon": ("lon", np.linspace(-175, 175, 36), {"units": "degrees_east"}),
    }
    values = np.arange(2 * 18 * 36, dtype="float32").reshape(2, 18, 36)
    xr.Dataset({"t": (("time", "lat", "lon"), values)}, axes).to_netcdf(tmp / "field.nc", engine="netcdf4")
    assert main.run(["convert", str(tmp / "field.nc"), "--store", str(tmp / "store")]) == 0
    assert main.run(["mrf", "field", str(tmp / "mrf"), "--store", str(tmp / "store"), "--offline"]) == 0
    assert main.run(["warm", "field", "--zoom", "0", "--store", str(tmp / "store"), "--cache", str(tmp / "cache")]) == 0
    one = min((tmp / "mrf").glob("*.mrf"))
    with running(tmp / "store", tmp / "served") as server:
        yield {
            "tmp": tmp, "store": tmp / "store", "file": tmp / "field.nc", "mrf": tmp / "mrf", "one": one,
            "url": server.url,
        }  # fmt: skip


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("LAZYTILE_ENGINE", "threads")


def commands(group, names=()):
    """Yield every command of a group with its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group) or hasattr(command, "commands"):
            yield from commands(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


def test_every_command_that_reports_is_here():
    offered = {
        words
        for words, command in commands(typer.main.get_command(main.app))
        if any("--json" in option.opts for option in command.params)
    }
    tried = {re.sub(r" (FILE|FOLDER|with exports)$", "", name) for name in (*REPORTS, *LIFE)}
    # test_view.py has those that take long, go on running or want more than this store.
    others = {"bench", "serve", "view", "demo", "mrf export", "mrf from-mrfgen", "colormap fetch", "colormap convert"}
    assert offered == (tried - {"mrf"}) | others


@pytest.mark.parametrize("name", REPORTS)
def test_json_is_one_document(name, places, capsys):
    capsys.readouterr()
    assert document_of(REPORTS[name], places, capsys)


def test_json_is_one_document_all_through_the_life_of_a_dataset(places, capsys):
    for words in LIFE.values():
        assert document_of(words, places, capsys)


def document_of(words, places, capsys):
    code = main.run([*(word.format(**places) for word in words), "--json"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return json.loads(printed.out)


def test_verifying_a_folder_lists_what_cannot_be_read(places, tmp_path, capsys):
    for path in places["mrf"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    broken = min(tmp_path.glob("*.mrf"))
    broken.write_text("no header")
    assert main.run(["mrf", "verify", str(tmp_path), "--json"]) == 1
    found = {each["file"]: each["problems"] for each in json.loads(capsys.readouterr().out)}
    assert len(found) == 2
    assert [bool(problems) for problems in found.values()] == [file == str(broken) for file in found]


@pytest.mark.parametrize("words", [[], ["colormap"], ["config"], ["cache"], ["connect"]], ids=" ".join)
def test_a_command_without_its_subject_shows_its_help(words, capsys):
    code = main.run(words)
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err.startswith(" ".join(["Usage: lazytile", *words]))
    assert len(printed.err.splitlines()) > 8
    assert "--help" in printed.err
    assert "see lazytile" not in printed.err


def test_lists_of_commands_are_not_cut_off():
    offered = dict(commands(typer.main.get_command(main.app)))
    cut = {words for words, command in offered.items() if command.get_short_help_str(limit=62).endswith("...")}
    assert len(offered) > 20
    assert not cut


def test_a_number_has_its_noun():
    assert [counted(count, "level") for count in (0, 1, 2)] == ["0 levels", "1 level", "2 levels"]


@pytest.mark.parametrize(("columns", "has_rate"), [(30, False), (100, True)])
def test_progress_fits_its_terminal(columns, has_rate, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with progress_bar("converting a-file-with-a-rather-long-name.nc", "bytes") as show:
        show(1e6, 4e6)
        show(4e6, 4e6)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", shown) if line.strip()]
    assert lines[-1].startswith("converting a-file")
    assert "4.0/4.0 MB" in lines[-1]
    assert all(len(line) <= columns for line in lines)
    assert ("0:00:00" in lines[-1]) == has_rate
