"""``lazytile stats`` and ``point`` have the numbers of the service; ``completion`` and ``python -m lazytile`` work."""

import json
import os
import subprocess
import sys

import pytest

from lazytile.service.cli import main

BOX = "-30,-20,60,50"


@pytest.fixture
def run(capsys, store):
    def run_command(command, *arguments):
        code = main.run([command, *arguments, "--store", str(store)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


@pytest.mark.parametrize(
    ("layer", "query", "options"),
    [
        ("global_180", f"bbox={BOX}", ("--bbox", BOX)),
        ("global_180", "bbox=170,-20,-170,20&percentiles=10,90&histogram=4",
         ("--bbox", "170,-20,-170,20", "--percentiles", "10,90", "--bins", "4")),
        ("time_steps", f"bbox={BOX}&datetime=2024-01-02", ("--bbox", BOX, "--time", "2024-01-02")),
        ("two_variables.u", f"bbox={BOX}", ("--bbox", BOX)),
    ],
)  # fmt: skip
def test_statistics_are_those_of_the_service(run, server, layer, query, options):
    expected = json.loads(server.get(f"/numbers/{layer}/statistics?{query}").body)
    code, out, err = run("stats", layer, *options, "--json", "--max-cells", str(expected["budget"]))
    assert (code, err) == (0, "")
    found = json.loads(out)
    if "percentiles" not in query:
        del found["percentiles"]
        expected.pop("percentiles", None)
    assert found == expected
    text = run("stats", layer, *options)[1]
    assert text.startswith(layer)
    assert "mean     -" in text if found["mean"] is None else f"{found['mean']:.6g}" in text


def test_a_layer_without_a_box_is_read_whole(run, server):
    expected = json.loads(server.get("/numbers/odd_sizes/statistics?bbox=-180,-90,180,90").body)
    found = json.loads(run("stats", "odd_sizes", "--json")[1])
    assert (found["valid_cells"], found["mean"]) == (expected["valid_cells"], pytest.approx(expected["mean"]))


@pytest.mark.parametrize(("lon", "lat"), [(10.0, 20.0), (-30.5, -10.0), (179.9, 80.0)])
def test_a_point_is_that_of_the_service(run, server, lon, lat):
    expected = json.loads(server.get(f"/numbers/time_steps/point?lon={lon}&lat={lat}").body)
    code, out, err = run("point", "time_steps", "--lon", str(lon), "--lat", str(lat), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["value"] == expected.get("value")
    assert found["time"] == expected["time"]
    text = run("point", "time_steps", "--lon", str(lon), "--lat", str(lat))[1]
    assert ("no data" in text) is (found["value"] is None)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("stats", "none"), "no layer 'none'"),
        (("stats", "two_variables"), "has two_variables."),
        (("stats", "two_variables.none"), "has two_variables."),
        (("stats", "global_180", "--bbox", "a"), "--bbox is numbers"),
        (("stats", "global_180", "--bbox", "1,2,3"), "west, south, east and north"),
        (("stats", "global_180", "--percentiles", "200"), "percentiles"),
        (("stats", "time_steps", "--time", "1999"), "1999"),
        (("stats", "extra_dimension", "--dim", "x"), "NAME=LABEL"),
        (("point", "global_180", "--lon", "1"), "--lat"),
        (("point", "global_180", "--lon", "1", "--lat", "100"), "100"),
    ],
)
def test_what_is_wrong_is_one_line(run, arguments, says):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("lazytile: ")
    assert err.count("\n") == 1
    assert says in err


def in_shell(**variables):
    environment = {**os.environ, **variables}
    command = [sys.executable, "-m", "lazytile"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False).stdout


def test_completion_in_each_shell(run, capsys):
    for shell in ("bash", "zsh", "fish"):
        assert main.run(["completion", shell]) == 0
        assert "_LAZYTILE_COMPLETE" in capsys.readouterr().out
    assert main.run(["completion", "tcsh"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err
    words = in_shell(_LAZYTILE_COMPLETE="complete_bash", COMP_WORDS="lazytile co", COMP_CWORD="1").split()
    assert sorted(words) == ["colormap", "completion", "config", "connect", "convert"]
    options = in_shell(_LAZYTILE_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="lazytile serve --po")
    assert "--port" in options


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "lazytile", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:9]) == (0, "lazytile ")
