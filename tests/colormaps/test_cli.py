"""The command ``lazytile colormap``."""

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from lazytile.colormaps.compiled.palette import compile_colormap
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.formats.readers import read_colormap
from lazytile.service.cli.colormap.group import app
from tests.colormaps.formats.test_gibs import document, entry
from tests.colormaps.slow import FILES, is_nodata, slow_number, slow_parse
from tests.shared import shared


def ran(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)


def output(*arguments):
    result = ran(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def number(text):
    return float({"-INF": "-inf", "+INF": "inf"}.get(text, text))


@pytest.mark.parametrize("file", FILES or ["none"])
def test_show_json_has_every_entry_in_document_order(file):
    path = shared("colormaps", file)
    shown = json.loads(output("show", path, "--json"), parse_constant=pytest.fail)
    slow = slow_parse(path)
    assert [e["index"] for e in shown["entries"]] == list(range(len(slow)))
    for e, raw in zip(shown["entries"], slow, strict=True):
        assert e["rgba"] == [*map(int, raw["rgb"].split(",")), 0 if raw.get("transparent") == "true" else 255]
        assert e["nodata"] == is_nodata(raw)
        text = raw.get("value", raw.get("sourceValue"))
        if text is None:
            assert e["lower"] is e["upper"] is e["closed_lower"] is None
        else:
            ends = [slow_number(part) for part in text.strip("[]()").split(",")]
            assert (number(e["lower"]), number(e["upper"])) == (ends[0], ends[-1])
            assert e["closed_lower"] == (text[0] != "(")
            assert e["closed_upper"] == (text[-1] == "]" or len(ends) == 1)
    titles = {e["map"] for e in shown["entries"]}
    assert titles == {part["title"] for part in shown["maps"]}


def test_show_json_has_classes_labels_and_warnings():
    sea_ice = json.loads(output("show", shared("colormaps", "MODIS_Aqua_Sea_Ice.xml"), "--json"))
    assert sea_ice["entries"][2]["class"] == 11
    assert sea_ice["entries"][2]["label"] == "Night"
    airs = json.loads(output("show", shared("colormaps", "AIRS_Precipitation_Day.xml"), "--json"))
    reversed_one = airs["warnings"][0]
    assert (reversed_one["file"], reversed_one["line"], reversed_one["entry"]) == ("AIRS_Precipitation_Day.xml", 89, 83)
    assert "reversed" in reversed_one["message"]


def test_show_for_people(tmp_path):
    path = tmp_path / "mine.xml"
    path.write_bytes(document(entry("[1,0)") + entry("[2]", "9,9,9", 'ref="2" transparent="true" nodata="true"')))
    result = ran("show", path)
    assert "[2]" in result.stdout
    assert "(no data)" in result.stdout
    assert "warning: mine.xml, line 1, entry 0: '[1,0)' is reversed" in result.stderr
    assert "Sea Surface Temperature" in output("show", "sea_surface_temperature")


def test_list(tmp_path):
    (tmp_path / "mine.xml").write_bytes(document(entry("[0,1)")))
    (tmp_path / "broken.xml").write_bytes(b"<")
    rows = {row["name"]: row for row in json.loads(output("list", "--folder", tmp_path, "--json"))}
    assert rows["mine"]["from"] == str(tmp_path)
    assert rows["grey"]["from"] == "bundled"
    assert rows["broken"]["title"].startswith("cannot be read")
    assert "sea_surface_temperature" in output("list", "--folder", tmp_path)
    computed = {name for name, row in rows.items() if row["from"] == "computed"}
    ramps = {"air", "algae", "diverging", "grey", "growth", "ice", "lagoon", "ocean", "rain", "relief", "random"}
    assert ramps <= set(rows)
    assert ramps - {"grey"} <= computed
    for name in computed:
        assert json.loads(output("show", name, "--json"))["relative"], f"{name} can be used as it is listed"


@pytest.mark.parametrize("suffix", [".xml", ".sld", ".txt"])
def test_convert_to_other_formats(tmp_path, suffix):
    target = tmp_path / f"out{suffix}"
    assert output("convert", "air_temperature", target).strip() == str(target)
    again = compile_colormap(read_colormap(target))
    wanted = compile_colormap(read_colormap(shared_bundled("air_temperature")))
    for value in (-1e9, 219.9, 220.0, 273.15, 319.9, 320.0, 1e9):
        assert colour(again, value) == colour(wanted, value)


def shared_bundled(name):
    from lazytile.colormaps.library.catalog import BUNDLED

    return BUNDLED / f"{name}.xml"


def colour(palette, value):
    import numpy as np

    return palette.colours(palette.index_of(np.array([value])))[0].tolist()


def test_convert_to_legends(tmp_path):
    output("convert", "classes", tmp_path / "a.png", "--orientation", "vertical", "--width", 200, "--height", 300)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (200, 300)
    output("convert", "grey", tmp_path / "a.svg", "--text", "light")
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    output("convert", "lagoon", tmp_path / "a.json", "--rescale", "0,50")
    stops = json.loads((tmp_path / "a.json").read_text("utf-8"))["stops"]
    assert (stops[1]["lower"], stops[-1]["lower"]) == (0, 50)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "nope"), "there is no colormap 'nope'"),
        (("show", "nope.xml"), "no such file"),
        (("show", "../x/y"), "no such file"),
        (("show", "grey", "--rescale", "1"), "two numbers"),
        (("show", "grey", "--rescale", "2,1"), "a range must rise"),
        (("show", "classes", "--rescale", "1,2"), "classes"),
        (("convert", "grey", "out.gif"), "is written as"),
        (("convert", "grey", "out.png", "--width", "1"), "24 to 4096"),
        (("fetch", "../x"), "not a colormap name"),
    ],
)
def test_errors_are_one_line(arguments, message):
    result = ran(*arguments)
    assert isinstance(result.exception, ColormapError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_fetch_reports_what_it_did(tmp_path):
    (tmp_path / "Mine.xml").write_bytes(document(entry("[0,1)")))
    assert output("fetch", "Mine", "--folder", tmp_path) == f"kept: {tmp_path / 'Mine.xml'}\n"
