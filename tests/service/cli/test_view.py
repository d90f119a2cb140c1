"""From a file to a map: ``lazytile FILE``, ``demo``, ``bench``, the names of datasets, and what may replace them."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.ingest.proposed_name import dataset_name
from lazytile.pyramid.linked import first_map
from lazytile.pyramid.store.store import read_description
from lazytile.service.cli import main, view
from lazytile.service.cli.options import replacement
from lazytile.service.cli.options.fetching import FetchOptions
from lazytile.service.cli.options.messages import show_messages
from lazytile.service.cli.options.progress import progress_bar
from lazytile.service.cli.options.source import SourceOptions
from tests import api_tour

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("LAZYTILE_ENGINE", "threads")
    standing = process.current()

    def run_command(*arguments):
        code = main.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run_command
    process.reinstall(standing)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("view") / "sample.nc"
    api_tour.sample().to_netcdf(path, engine="netcdf4")
    return path


@contextmanager
def started(*arguments, cwd):
    """A command that serves, and the address in its output."""
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment |= {"PYTHONPATH": str(ROOT), "HOME": str(cwd)}
    command = [sys.executable, "-m", "lazytile", *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            line = server.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+/#layer=\S+", line)
            assert found, line + server.stderr.read()
            yield found[0]
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    assert server.returncode == 0


def get(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return reply.status, reply.read()


def test_a_file_is_on_a_map_with_one_word(source, tmp_path):
    with started(source, "--port", 0, "--offline", cwd=tmp_path) as url:
        assert url.endswith("#layer=sample.warm")
        base = url.partition("#")[0]
        status, tile = get(f"{base}xyz/sample.warm/0/0/0.png")
        assert (status, tile[:4]) == (200, b"\x89PNG")
    dataset = read_description(tmp_path / "store" / "sample.zarr")
    with started(source, "--port", 0, "--offline", cwd=tmp_path) as url:
        assert get(f"{url.partition('#')[0]}readyz")[0] == 200
    assert read_description(tmp_path / "store" / "sample.zarr").generation == dataset.generation
    with started(tmp_path / "store" / "sample.zarr", "--port", 0, "--offline", cwd=tmp_path) as url:
        assert url.endswith("#layer=sample.warm")


def test_files_that_are_no_series_are_layers_of_one_map(source, tmp_path):
    """Two files of one series, a file without time, and one of another kind that proposes a name that is taken."""
    sample = api_tour.sample()
    for at, name in enumerate(("day1.nc", "day2.nc")):
        sample.isel(time=[at])[["warm"]].to_netcdf(tmp_path / name, engine="netcdf4")
    sample.isel(time=0, drop=True)[["cold"]].to_netcdf(tmp_path / "land.nc", engine="netcdf4")
    sample.isel(time=0, drop=True)[["warm"]].to_netcdf(tmp_path / "land.h5", engine="netcdf4")
    files = ("day2.nc", "land.nc", "day1.nc")
    with started(*files, "--port", 0, "--offline", cwd=tmp_path) as url:
        assert url.endswith("/#layer=day1&layer=land")
        base = url.partition("#")[0]
        assert get(f"{base}xyz/land/0/0/0.png")[0] == 200
    assert [each.labels for each in read_description(tmp_path / "store" / "day1.zarr").variables[0].dimensions] == [
        ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")
    ]
    with started("land.nc", "land.h5", "--store", "s", "--port", 0, "--offline", "--json", cwd=tmp_path) as url:
        assert url.rstrip('",').endswith("#layer=land&layer=land-2")


def test_files_of_several_datasets_take_no_name(run, source, tmp_path):
    other = tmp_path / "other.nc"
    api_tour.sample().isel(time=0, drop=True).to_netcdf(other, engine="netcdf4")
    store = ("--store", tmp_path / "store")
    code, _, err = run("view", source, other, "--name", "a", *store)
    assert (code, err) == (2, "lazytile: --name names one dataset, and the files form 2\n")
    assert run("convert", source, *store)[0] == 0
    code, _, err = run("view", other, tmp_path / "store" / "sample.zarr", *store)
    assert code == 2
    assert "sample.zarr is a stored dataset, which is shown alone" in err


def test_overviews_of_a_few_steps_are_made_at_once(source, tmp_path):
    sample = api_tour.sample()
    sample.isel(time=[0]).to_netcdf(tmp_path / "few.nc", engine="netcdf4")
    for name, is_lazy in (("few.nc", False), (source, True)):
        with started(name, "--port", 0, "--offline", "--store", "s", "--name", "a", "--overwrite", cwd=tmp_path):
            assert read_description(tmp_path / "s" / "a.zarr").lazy is is_lazy


def test_a_source_is_shown_where_it_is_where_that_is_quicker(tmp_path, monkeypatch, capsys):
    sample = api_tour.sample()
    sample.to_netcdf(tmp_path / "sample.nc", engine="netcdf4")
    store = tmp_path / "store"

    def shown(*, overwrite: bool = False) -> tuple[int, str, str]:
        view.converted(
            [str(tmp_path / "sample.nc")],
            store,
            None,
            SourceOptions(),
            FetchOptions(),
            colormap=None,
            overwrite=overwrite,
        )
        dataset = read_description(store / "sample.zarr")
        return dataset.linked, dataset.generation, capsys.readouterr().err

    monkeypatch.setattr(first_map, "SAVED_S", -1e9)
    linked, generation, told = shown()
    assert linked == 1
    assert "note: sample.nc is shown where it is; lazytile convert copies it" in told
    assert shown()[1:] == (generation, f"{store / 'sample'}.zarr is up to date\n")
    (sample + 1).to_netcdf(tmp_path / "new.nc", engine="netcdf4")
    (tmp_path / "new.nc").replace(tmp_path / "sample.nc")
    assert shown()[1] != generation
    monkeypatch.undo()
    assert shown(overwrite=True)[0] == 0


def test_the_demo_needs_nothing(tmp_path):
    with started("demo", "--port", 0, "--offline", cwd=tmp_path) as url:
        assert get(f"{url.partition('#')[0]}xyz/sst/2/1/1.png")[0] == 200
    assert [each.name for each in tmp_path.iterdir() if each.name != ".config"] == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a.nc", "b.nc"], ["view", "a.nc", "b.nc"]),
        (["-v", "a.nc"], ["-v", "view", "a.nc"]),
        (["--port", "9000", "a.nc"], ["view", "--port", "9000", "a.nc"]),
        (["-v", "--offline", "none.nc"], ["-v", "view", "--offline", "none.nc"]),
        (["--offline", "convert", "a.nc"], ["--offline", "convert", "a.nc"]),
        (["--colour", "red"], ["--colour", "red"]),
        (["https://x.org/a.nc"], ["view", "https://x.org/a.nc"]),
        (["sst-*.nc", "--name", "sst"], ["view", "sst-*.nc", "--name", "sst"]),
        (["convert", "a.nc"], ["convert", "a.nc"]),
        (["info"], ["info"]),
        (["serv"], ["serv"]),
        (["--version"], ["--version"]),
        ([], []),
    ],
)
def test_the_first_word_is_a_command_or_a_file(words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.nc").touch()
    assert main._with_command(words) == expected


def test_a_file_that_is_not_there_is_an_error(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("none.nc") == (2, "", "lazytile: there is no file none.nc, and no such command\n")
    code, _, err = run("serv")
    assert code == 2
    assert "No such command 'serv'" in err


# --- names ---


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("20240611090000-JPL-L4_GHRSST-SSTfnd-MUR-GLOB-v02.0-fv04.1.nc", "JPL-L4_GHRSST-SSTfnd-MUR-GLOB"),
        ("20240611120000-UKMO-L4_GHRSST-SSTfnd-OSTIA-GLOB-v02.0-fv02.0.nc", "UKMO-L4_GHRSST-SSTfnd-OSTIA-GLOB"),
        ("3B-HHR-L.MS.MRG.3IMERG.20240611-S000000-E002959.0000.V07B.HDF5", "3B-HHR-L_MS_MRG_3IMERG"),
        ("METOFFICE-GLO-SST-L4-NRT-OBS-SST-V2_multi-vars_2024-06-11.nc", "METOFFICE-GLO-SST-L4-NRT-OBS-SST"),
        ("sst-20240611.nc", "sst-20240611"),
        ("t2m.nc", "t2m"),
        ("x" * 80 + ".nc", "x" * 32),
        ("20240611090000202406110900002024061109000020240611.nc", "20240611090000202406110900002024"),
    ],
)
def test_proposed_names_are_short(file, name):
    assert dataset_name(file) == name
    assert len(name) <= 32


# --- replacement ---


def test_a_dataset_of_another_source_is_replaced_only_when_told(run, source, tmp_path):
    other = tmp_path / "other.nc"
    api_tour.sample().to_netcdf(other, engine="netcdf4")
    store = tmp_path / "store"
    assert run("convert", source, "--store", store, "--name", "a")[0] == 0
    assert run("convert", source, "--store", store, "--name", "a")[0] == 0
    before = read_description(store / "a.zarr").generation
    code, out, err = run("convert", other, "--store", store, "--name", "a")
    assert (code, out) == (2, "")
    assert err == (
        f"lazytile: {store}/a.zarr holds sample.nc; --overwrite replaces it, "
        "--name gives the new dataset another name\n"
    )
    assert read_description(store / "a.zarr").generation == before
    assert run("convert", other, "--store", store, "--name", "a", "--overwrite")[0] == 0
    assert read_description(store / "a.zarr").source == "other.nc"


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked(answer, source, tmp_path, monkeypatch, run):
    store = tmp_path / "store"
    assert run("convert", source, "--store", store)[0] == 0
    before = read_description(store / "sample.zarr").generation
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(replacement.typer, "confirm", lambda text, err: answer and err and "replace it?" in text)
    if answer:
        replacement.check_replacement(store, "sample", "sample.nc", overwrite=False)
    else:
        with pytest.raises(main.LazytileError, match="left as it is; --name gives"):
            replacement.check_replacement(store, "sample", "sample.nc", overwrite=False)
    assert read_description(store / "sample.zarr").generation == before


# --- reports ---


def test_what_reports_prints_json(run, source, tmp_path):
    store = tmp_path / "store"
    common = ("--store", store, "--json")
    converted = json.loads(run("convert", source, *common)[1])
    assert converted["layers"] == ["sample.warm", "sample.cold"]
    verified = json.loads(run("verify", "sample", *common)[1])
    assert verified["problems"] == []
    assert verified["checksums"] > 0
    exported = json.loads(run("export", "sample.warm", tmp_path / "out", "--to", "mbtiles", *common)[1])
    assert [Path(each["file"]).suffix for each in exported["files"]] == [".mbtiles"] * 2
    mrfs = json.loads(run("mrf", "sample.warm", tmp_path / "mrf", *common)[1])
    assert [each["was_complete"] for each in mrfs["files"]] == [False, False]
    later = tmp_path / "later.nc"
    times = np.array(["2025-01-01", "2025-01-02"], "datetime64[ns]")
    api_tour.sample().assign_coords(time=times).to_netcdf(later, engine="netcdf4")
    assert json.loads(run("append", later, "sample", *common)[1])["times"] == 4
    assert json.loads(run("replace", source, "sample", *common)[1])["cols"] == 90
    warmed = run("warm", "sample.warm", "--zoom", "0-1", "--cache", tmp_path / "cache", *common)[1]
    assert json.loads(warmed)["tiles"] == 5
    page = run("mrf", "extract", mrfs["files"][0]["file"], tmp_path / "page.png", "--json")[1]
    assert json.loads(page) == {"file": str(tmp_path / "page.png"), "bytes": (tmp_path / "page.png").stat().st_size}
    painted = run("colormap", "convert", "ocean", tmp_path / "ocean.xml", "--json")[1]
    assert json.loads(painted) == {"file": str(tmp_path / "ocean.xml")}
    config = tmp_path / "mrfgen.xml"
    config.write_text(
        "<mrfgen_configuration><parameter_name>sample.warm</parameter_name><date_of_data>20240101</date_of_data>"
        f"<output_dir>{tmp_path / 'made'}</output_dir><mrf_compression_type>PPNG</mrf_compression_type>"
        "</mrfgen_configuration>"
    )
    made = json.loads(run("mrf", "from-mrfgen", config, *common)[1])
    assert all(Path(each["file"]).is_file() for each in made["files"])
    assert json.loads(run("remove", "sample", *common)[1]) == {"removed": str(store / "sample.zarr")}
    assert not (store / "sample.zarr").exists()


def test_every_command_that_reports_has_json():
    def commands(group):
        for command in group.commands.values():
            yield from commands(command) if hasattr(command, "commands") else [command]

    without = {
        command.name
        for command in commands(main.typer.main.get_command(main.app))
        if not any("--json" in each.opts for each in command.params)
    }
    assert without == {"completion"}, "its output is a script"


def test_a_damaged_dataset_is_reported_as_json(run, source, tmp_path):
    store = tmp_path / "store"
    assert run("convert", source, "--store", store)[0] == 0
    chunk = next(path for path in (store / "sample.zarr" / "0" / "warm" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(b"")
    code, out, _ = run("verify", "sample", "--store", store, "--json")
    assert code == 2
    assert len(json.loads(out)["problems"]) == 1


def test_bench_measures_this_installation(run):
    code, out, _ = run("bench", "--seconds", 0.1, "--json")
    assert code == 0
    figures = json.loads(out)
    assert figures["cells"] == 1800 * 3600
    assert all(value for value in figures.values())


# --- progress and interruption ---


@pytest.mark.parametrize(
    ("unit", "total", "shown"), [("bytes", 2_500_000_000, "1250.0/2500.0 MB"), ("tiles", 300, "150/300 tiles")]
)
def test_progress_has_one_unit(unit, total, shown, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with progress_bar("converting x.nc", unit) as show:
        show(total / 2, total)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "converting x.nc" in text
    assert shown in text


def test_no_bar_where_nothing_is_done(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("downloading", "bytes"):
        pass
    assert "downloading" not in terminal.getvalue()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["convert", "a.nc"], "interrupted; what is converted stays, and the same command goes on from there"),
        (["mrf", "sst", "out"], "interrupted; finished tiles stay, and the same command goes on from there"),
        (["warm", "sst"], "interrupted; the tiles in the cache stay, and the same command goes on from there"),
        (["info"], "interrupted"),
    ],
)
def test_an_interrupted_command_says_what_is_left(words, text, monkeypatch, capsys):
    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "show_messages", interrupt)  # inside of Typer, which must not keep it to itself
    assert main.run(words) == 130
    assert capsys.readouterr().err == f"lazytile: {text}\n"


def test_an_interrupted_conversion_goes_on(source, run, tmp_path, monkeypatch):
    reports = []

    @contextmanager
    def interrupting(_):
        def show(progress):
            reports.append(progress)
            if progress.done_tasks == 1:
                signal.raise_signal(signal.SIGINT)

        yield show

    words = ("convert", source, "--store", tmp_path / "store", "--name", "large", "--workers", "1")
    with monkeypatch.context() as patch:
        patch.setattr("lazytile.service.cli.convert.byte_progress", interrupting)
        # Tests that run in the background of a shell have inherited that it is ignored.
        kept = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            code, _, err = run(*words)
        finally:
            signal.signal(signal.SIGINT, kept)
    assert (code, err) == (
        130,
        "lazytile: interrupted; what is converted stays, and the same command goes on from there\n",
    ), reports
    assert [each.name.partition("-")[0] for each in (tmp_path / "store").iterdir()] == [".large.zarr.partial"]
    assert run(*words)[0] == 0
    assert run("verify", "large", "--store", tmp_path / "store")[0] == 0


@pytest.mark.parametrize("words", [["info", "-v"], ["-v", "info"], ["info", "--verbose"]])
def test_more_is_logged_wherever_the_option_stands(words, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    assert run(*words)[0] == 0
    assert logging.getLogger("lazytile").level == logging.DEBUG


def test_messages_are_lines_for_people(capsys):
    for is_verbose, lines in (
        (False, ["a text", "warning: another"]),
        (True, ["INFO lazytile.some.where: a text", "WARNING lazytile.some.where: another"]),
    ):
        root = logging.getLogger()
        kept = root.handlers[:]
        root.handlers.clear()
        try:
            show_messages(is_verbose=is_verbose)
            logging.getLogger("lazytile.some.where").info("a text")
            logging.getLogger("lazytile.some.where").warning("another")
        finally:
            root.handlers[:] = kept
        assert capsys.readouterr().err.splitlines() == lines


def test_an_interruption_while_the_command_is_loaded_is_one_line():
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'lazytile.service.cli.main': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from lazytile.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "lazytile: interrupted\n")
