"""Points of an SDAP server become the grid that they came from: every value in its cell, no data in the gaps."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import netCDF4
import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.fetch import nexus_request
from lazytile.pyramid.fetch.downloads import local_files
from lazytile.pyramid.fetch.http_client import HttpOptions
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.store.store import Store
from lazytile.service.cli.main import run
from tests.shared import shared
from tests.web import Response, serving

QUICK = HttpOptions(retries=1, backoff_s=0.01, timeout_s=10)
DAY = 86400
START = 1388534400
"""2014-01-01."""


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() if "T" in text else float(text)


def new_form(values, name):
    return {"id": "tile", "variables": [{name: value} for value in values]}


def old_form(values, name):
    return [{"id": "tile", "variable": values[0] if len(values) == 1 else values}]


def key_form(values, name):
    return dict(zip(("wind_u", "wind_v", "wind_speed"), values, strict=False)) | {"id": "tile"}


@dataclass
class Sdap:
    """Responds to ``/datainbounds`` and ``/list`` as the server does: missing points are left out."""

    lat: np.ndarray
    lon: np.ndarray
    times: list[int]
    fields: list[np.ndarray]
    """(times, rows, cols) of each variable, NaN where missing."""
    form: object = new_form
    whole: bool = False
    """Whether the list of points is within an object."""
    float32: bool = True
    spans: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self, request):
        parts = urlsplit(request.path)
        if parts.path.endswith("/list"):
            iso = [datetime.fromtimestamp(each, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000") for each in self.times]
            entry = {"shortName": "SST", "title": "SST", "start": self.times[0] * 1000, "end": self.times[-1] * 1000}
            return self.json([{**entry, "iso_start": iso[0], "iso_end": iso[-1]}])
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if query["ds"] != "SST":
            return self.json({"error": f"Dataset {query['ds']} not found", "code": 404}, 404)
        west, south, east, north = map(float, query["b"].split(","))
        start, end = seconds(query["startTime"]), seconds(query["endTime"])
        self.spans.append((start, end))
        points = []
        for step, moment in enumerate(self.times):
            if not start <= moment <= end:
                continue
            for row, lat in enumerate(self.lat):
                for col, lon in enumerate(self.lon):
                    wrapped = (lon + 180) % 360 - 180
                    values = [float(each[step, row, col]) for each in self.fields]
                    if not (south <= lat <= north and west <= wrapped <= east) or np.isnan(values[0]):
                        continue
                    place = [float(np.float32(each)) if self.float32 else float(each) for each in (lat, wrapped)]
                    data = self.form([None if np.isnan(value) else value for value in values], "sea_temperature")
                    points.append({"latitude": place[0], "longitude": place[1], "time": moment, "data": data})
        return self.json({"meta": {"shortName": "SST"}, "data": points[::-1], "stats": {}} if self.whole else points)

    @staticmethod
    def json(document, status=200):
        return Response(json.dumps(document, indent=4).encode(), status, {"Content-Type": "application/json"})


@pytest.fixture
def web():
    with serving() as server:
        yield server


def sea(rows=24, cols=30, steps=1, count=1) -> list[np.ndarray]:
    """Temperatures with land, true zeros and a whole missing row and column inside."""
    fields = []
    for number in range(count):
        values = np.random.default_rng(number).normal(10, 8, (steps, rows, cols)).astype("f4").astype("f8")
        values[:, 3:6, 4:9] = np.nan
        values[:, 8, :] = np.nan
        values[:, :, 12] = np.nan
        values[:, 10, 2] = 0.0
        fields.append(values)
    return fields


def source(web, query="ds=SST&b=-20,-10,20,10&startTime=2014-01-01&endTime=2014-01-03", path="/nexus/"):
    return f"nexus+{web.url(path)}?{query}"


def grid_of(store, name="SST", variable=None):
    """Return the rows north up of level 0, NaN for no data, and the bounds."""
    dataset = Store(store).dataset(name).description
    variable = dataset.variables[0].name if variable is None else variable
    array = zarr.open_array(store / f"{name}.zarr" / "0" / variable, mode="r")[...]
    return np.asarray(array, "f8"), dataset


LAT, LON = -2.875 + 0.25 * np.arange(24), 3.125 + 0.25 * np.arange(30)


@pytest.mark.parametrize("form", [new_form, old_form])
@pytest.mark.parametrize("whole", [True, False])
def test_every_value_is_in_its_place(web, tmp_path, form, whole):
    server = web.default = Sdap(LAT, LON, [START, START + DAY], sea(steps=2), form, whole)
    dataset = convert(source(web), tmp_path, fetching=QUICK)
    assert dataset.name == "SST"
    assert (dataset.grid.bounds.west, dataset.grid.bounds.north) == (3.0, 3.0)
    assert (dataset.grid.x.cell_size, dataset.grid.y.cell_size) == (0.25, -0.25)
    stored, _ = grid_of(tmp_path)
    # Row 0 is the northern one, column 0 the western one; 0 is a temperature and a gap is none.
    np.testing.assert_array_equal(stored, server.fields[0][:, ::-1, :])
    assert dataset.variables[0].name == ("sea_temperature" if form is new_form else "variable")
    assert dataset.variables[0].packing.dtype == "float32"
    assert dataset.variables[0].dimensions[0].labels == ("2014-01-01T00:00:00Z", "2014-01-02T00:00:00Z")


def test_the_origin_is_recorded(web, tmp_path):
    web.default = Sdap(LAT, LON, [START], sea())
    convert(source(web), tmp_path, fetching=QUICK)
    attributes = zarr.open_group(tmp_path / "SST.zarr", mode="r").attrs
    assert attributes["source"] == source(web)
    assert attributes["title"] == "SST"


@pytest.mark.parametrize("form", [new_form, old_form, key_form])
def test_several_variables(web, tmp_path, form):
    fields = sea(count=3)
    fields[1][0, 20, 20] = np.nan
    web.default = Sdap(LAT, LON, [START], fields, form)
    if form is new_form:
        web.default.form = lambda values, _: {"variables": [{f"band {at}": value} for at, value in enumerate(values)]}
    convert(source(web), tmp_path, fetching=QUICK)
    names = {
        new_form: ("band_0", "band_1", "band_2"),
        old_form: ("variable_1", "variable_2", "variable_3"),
        key_form: ("wind_u", "wind_v", "wind_speed"),
    }[form]
    for name, expected in zip(names, fields, strict=True):
        expected[np.isnan(fields[0])] = np.nan
        stored, dataset = grid_of(tmp_path, variable=name)
        np.testing.assert_array_equal(stored, expected[:, ::-1, :])
    if form is key_form:
        assert [each.standard_name for each in dataset.variables] == ["eastward_wind", "northward_wind", "wind_speed"]


def test_values_that_need_double_precision_keep_it(web, tmp_path):
    fields = sea()
    fields[0][0, 0, 0] = 0.1
    web.default = Sdap(LAT, LON, [START], fields)
    assert convert(source(web), tmp_path, fetching=QUICK).variables[0].packing.dtype == "float64"
    np.testing.assert_array_equal(grid_of(tmp_path)[0], fields[0][:, ::-1, :])


def test_a_box_across_the_antimeridian_is_two_requests(web, tmp_path):
    lon = 175.125 + 0.25 * np.arange(30)
    server = web.default = Sdap(LAT, lon, [START], sea())
    dataset = convert(
        source(web, "ds=SST&b=175,-10,-176,10&startTime=2014-01-01&endTime=2014-01-01"), tmp_path, fetching=QUICK
    )
    assert [parse_qs(urlsplit(each.path).query)["b"] for each in web.requests] == [
        ["175,-10,180,10"],
        ["-180,-10,-176,10"],
    ]
    assert (dataset.grid.bounds.west, dataset.grid.bounds.east) == (175.0, 182.5)
    np.testing.assert_array_equal(grid_of(tmp_path)[0], server.fields[0][:, ::-1, :])


@pytest.mark.parametrize("step", [0.01, 1 / 12, 0.25, 1.0, 2.5])
def test_the_step_is_found_in_the_points(web, tmp_path, step):
    lat, lon = -3 + step * np.arange(24), 100 + step * np.arange(30)
    server = web.default = Sdap(lat, lon, [START], sea())
    query = "ds=SST&b=-180,-90,180,90&startTime=2014-01-01&endTime=2014-01-01"
    dataset = convert(source(web, query), tmp_path, fetching=QUICK)
    # By as much as the server's float32 rounds.
    assert dataset.grid.x.cell_size == pytest.approx(step, rel=2e-5)
    assert dataset.grid.bounds.north == pytest.approx(-3 + step * 23.5, abs=2e-5)
    np.testing.assert_array_equal(grid_of(tmp_path)[0], server.fields[0][:, ::-1, :])


def test_points_in_a_row_have_square_cells(web, tmp_path):
    web.default = Sdap(LAT[:1], LON[:8], [START], [np.arange(8.0).reshape(1, 1, 8)])
    dataset = convert(source(web), tmp_path, fetching=QUICK)
    assert dataset.grid.y.cell_size == -0.25
    np.testing.assert_array_equal(grid_of(tmp_path)[0], np.arange(8.0).reshape(1, 1, 8))


def test_long_times_are_requested_in_windows(web, tmp_path):
    times = [START + DAY * day for day in range(0, 90, 15)]
    server = web.default = Sdap(LAT, LON, times, sea(steps=6))
    dataset = convert(source(web, "ds=SST&startTime=2014-01-01&endTime=2014-03-31"), tmp_path, fetching=QUICK)
    assert [(end - start + 1) / DAY for start, end in server.spans] == [31, 31, 28]
    assert len(dataset.variables[0].dimensions[0].labels) == 6
    np.testing.assert_array_equal(grid_of(tmp_path)[0], server.fields[0][:, ::-1, :])


def test_responses_are_bounded_by_shorter_windows_and_smaller_boxes(web, tmp_path, monkeypatch):
    monkeypatch.setattr(nexus_request, "RESPONSE_BYTES", 30_000)
    server = web.default = Sdap(LAT, LON, [START, START + DAY, START + 5 * DAY], sea(steps=3))
    convert(source(web, "ds=SST&startTime=2014-01-01&endTime=2014-01-31"), tmp_path, fetching=QUICK)
    np.testing.assert_array_equal(grid_of(tmp_path)[0], server.fields[0][:, ::-1, :])
    assert len({parse_qs(urlsplit(each.path).query)["b"][0] for each in web.requests}) > 4


def test_one_point_too_many_is_refused(web, tmp_path, monkeypatch):
    monkeypatch.setattr(nexus_request, "RESPONSE_BYTES", 100)
    web.default = Sdap(LAT, LON, [START], sea())
    with pytest.raises(SourceError, match=r"exceeds the limit of 100 bytes, for .* in less than a day"):
        convert(source(web), tmp_path, fetching=QUICK)


def test_windows_already_fetched_are_not_requested_again(web, tmp_path):
    times = [START + DAY * day for day in range(0, 90, 15)]
    server = Sdap(LAT, LON, times, sea(steps=6))
    url = source(web, "ds=SST&startTime=2014-01-01&endTime=2014-03-31")
    responded = []

    def dying(request):
        responded.append(request)
        return server(request) if len(responded) < 3 else Response(status=404)

    web.default = dying
    with pytest.raises(SourceError, match="responds with 404 and no JSON"):
        convert(url, tmp_path, fetching=QUICK)
    web.default = server
    server.spans.clear()
    convert(url, tmp_path, fetching=QUICK)
    assert len(server.spans) == 1
    np.testing.assert_array_equal(grid_of(tmp_path)[0], server.fields[0][:, ::-1, :])
    (file,) = (tmp_path / ".downloads").glob("*/*.nc")
    assert not list(file.parent.glob(".window*"))


def test_downloads_are_reused_until_refreshed(web, tmp_path, caplog):
    caplog.set_level("INFO", "lazytile")
    web.default = Sdap(LAT, LON, [START], sea())
    first = local_files([source(web)], tmp_path, QUICK)
    request = len(web.requests)
    assert local_files([source(web)], tmp_path, QUICK) == first
    assert len(web.requests) == request
    assert "using the earlier download" in caplog.text
    web.default = Sdap(LAT, LON, [START], [sea()[0] + 1])
    (again,) = local_files([source(web)], tmp_path, HttpOptions(refresh=True))
    with netCDF4.Dataset(again) as file:
        np.testing.assert_array_equal(np.ma.filled(file["sea_temperature"][:], np.nan), sea()[0] + 1)


@pytest.mark.parametrize("name", ["bare", "within an object"])
def test_the_prototype_s_sample_comes_back_as_it_was(web, tmp_path, name):
    """The real field of the prototype: 0.25 degrees, land left out; its parser turned it east to west and land to 0."""
    values = np.load(shared("realdata", "AVHRR_OI_L4_GHRSST_NCEI.npy"))[120:200, 300:420].astype("f8")
    values[values == 0] = np.nan  # as if every zero were land: what the server leaves out
    lat, lon = 64.875 - 0.25 * np.arange(120, 200), -64.875 + 0.25 * np.arange(300, 420)
    web.default = Sdap(lat, lon, [START], [values[None]], old_form, whole=name != "bare")
    dataset = convert(source(web, "ds=SST&b=-65,-65,65,65&startTime=2014-01-01&endTime=2014-01-01"), tmp_path)
    assert dataset.grid.bounds.west <= 10.0
    stored, _ = grid_of(tmp_path)
    # Rows or columns that are land throughout at an edge are not known to the server's client.
    rows, cols = (np.flatnonzero((~np.isnan(values)).any(axis=axis)) for axis in (1, 0))
    np.testing.assert_array_equal(stored[0], values[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])


def points(*positions, value=1.0):
    return [
        {"latitude": lat, "longitude": lon, "time": START, "data": [{"id": "a", "variable": value}]}
        for lat, lon in positions
    ]


LARGE = points(*((lat, lon) for lat in range(40) for lon in range(40) if lon % 7))
SQUARE = points(*((lat, lon) for lat in range(5) for lon in range(5)))


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (
            [*SQUARE, *points((2.3, 1))],
            r"the points do not lie on an even grid: latitude 2\.3 is off the grid of 1 degrees",
        ),
        (
            [*LARGE, *points((2, 8.5))],
            r"the points do not lie on an even grid: longitude 8\.5 is off the grid of 1 degrees",
        ),
        ([*SQUARE, *points((2, 2), value=7.0)], "two values of variable at latitude 2, longitude 2"),
        (points((1, 1)), "the server has one point in this box, which is not a grid"),
        ([], "the server has no points in this box and time"),
        ({"error": "No data found for the time", "code": 404}, "the server has no points in this box and time"),
        ({"error": "Bad\nbox", "code": 400}, "/nexus/datainbounds responds with 400: Bad box"),
        ({"meta": {}}, "does not respond with a list of points"),
        ("text", "does not respond with a list of points"),
        ([{"latitude": 1}], "responds with a point that cannot be read: {'latitude': 1}"),
        ([7], "responds with a point that cannot be read: 7"),
        ([{**SQUARE[0], "latitude": 95}], "no valid position or time"),
        ([{**SQUARE[0], "longitude": float("nan")}], "no valid position or time"),
        ([{**SQUARE[0], "data": {"a": 10**400}}], "a point that cannot be read"),
        ([{**SQUARE[0], "data": {"a": "x"}}], "a point that cannot be read"),
        ([{**SQUARE[0], "elevation": 0}, {**SQUARE[1], "elevation": 5}], "points of 2 elevations"),
        ([{**SQUARE[0], "data": {f"v{at}": 1 for at in range(65)}}], "more than 64 variables"),
        (points((0, 0), (0.001, 0.001), (80, 170), (80.001, 170.001)), r"make 80002 x 170002 cells; \d+ are allowed"),
    ],
)
def test_responses_that_do_not_form_a_grid(web, tmp_path, document, text):
    web.default = lambda request: Sdap.json(document)
    with pytest.raises(SourceError, match=text) as error:
        convert(source(web), tmp_path, fetching=QUICK)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("*.zarr"))


@pytest.mark.parametrize("body", [b"<html>", b"[" * 200_000, b"\xff"])
def test_responses_that_are_not_json(web, tmp_path, body):
    web.default = lambda request: Response(body)
    with pytest.raises(SourceError, match="responds with 200 and no JSON; is it an SDAP server"):
        convert(source(web), tmp_path, fetching=QUICK)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("b=1,2,3,4", "name a --dataset; it has SST"),
        ("ds=SSS", "has no dataset 'SSS'; it has SST"),
        ("ds=SSS&startTime=2014-01-01&endTime=2014-01-01", "responds with 404: Dataset SSS not found"),
        ("ds=SST&b=1,2,3", "--bbox takes WEST,SOUTH,EAST,NORTH"),
        ("ds=SST&b=1,4,3,2", "is not a box"),
        ("ds=SST&b=1,2,nan,4", "is not a box"),
        ("ds=SST&startTime=today&endTime=2014-01-01", "--time takes dates or times"),
        ("ds=SST&startTime=2014-01-02&endTime=2014-01-01", "ends before it begins"),
        ("ds=SST&limit=3", "limit is unknown or repeated"),
    ],
)
def test_requests_that_are_refused(web, tmp_path, query, text):
    web.default = Sdap(LAT, LON, [START], sea())
    with pytest.raises(SourceError, match=text):
        convert(source(web, query), tmp_path, fetching=QUICK)


def test_the_limit_holds_for_all_responses_together(web, tmp_path):
    web.default = Sdap(LAT, LON, [START], sea())
    with pytest.raises(SourceError, match="has sent more than the limit of 1000 bytes"):
        convert(source(web), tmp_path, fetching=HttpOptions(limit_bytes=1000))


def test_the_command_line(web, tmp_path, capsys):
    web.default = Sdap(LAT, LON, [START, START + DAY], sea(steps=2))
    url = f"nexus+{web.url('/nexus_request')}"
    store = str(tmp_path / "store")
    box = ["--dataset", "SST", "--bbox", "-20,-10,20,10"]
    assert run(["info", url, *box, "--store", store]) == 0
    assert "24 rows x 30 columns" in capsys.readouterr().out
    assert run(["convert", url, *box, "--time", "2014-01-01T00:00:00Z", "--store", store]) == 0
    assert run(["append", url, "SST", *box, "--time", "2014-01-02/2014-01-02", "--store", store]) == 0
    assert "2 time steps, the last 2014-01-02T00:00:00Z" in capsys.readouterr().out
    np.testing.assert_array_equal(grid_of(tmp_path / "store")[0], web.default.fields[0][:, ::-1, :])
    assert run(["convert", "a.nc", "--dataset", "SST", "--store", store]) == 2
    assert "--dataset and --bbox are for SDAP servers only" in capsys.readouterr().err


@pytest.mark.parametrize("step", [0.01, 1 / 24, 0.05, 0.25])
@pytest.mark.parametrize("rounding", ["f4", "f8", 3])
def test_long_axes_with_gaps_are_found(step, rounding):
    from lazytile.pyramid.fetch.nexus_grid import _centres

    count = round(360 / step)
    exact = -180 + step * (np.arange(count) + 0.5)
    stored = np.round(exact, rounding) if isinstance(rounding, int) else exact.astype(rounding).astype("f8")
    present = np.random.default_rng(7).random(count) < 0.6
    present[[0, -1]] = True
    present[count // 3 : count // 2] = False
    axis = _centres(np.unique(stored[present]), "longitude")
    assert axis.count == count
    np.testing.assert_array_equal(axis.index_of(stored[present]), np.flatnonzero(present))
    np.testing.assert_allclose(axis.values(), exact, atol=step / 50)
