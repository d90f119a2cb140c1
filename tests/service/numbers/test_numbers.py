"""Statistics, points and series, against NumPy on the arrays of the datasets."""

import csv
import http.client
import io
import json

import numpy as np
import pyproj
import pytest

from lazytile.pyramid.core.errors import GenerationChangedError
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.core.stop_flag import StopFlag, StoppedError
from lazytile.pyramid.numbers.region import Region
from lazytile.pyramid.numbers.statistics import (
    PointCell,
    StatisticsOptions,
    cell_at,
    statistics,
    values_at,
)
from lazytile.pyramid.numbers.task import NumbersTask, compute
from lazytile.pyramid.store.store import Store
from tests import data
from tests.service.harness import Reply, running

R = 6371007.181
ALL = StatisticsOptions(1 << 40, (0.0, 10.0, 50.0, 99.0, 100.0), 7)


def get(server, path, status=200):
    reply = server.get(path)
    assert reply.status == status, reply.body
    return json.loads(reply.body)


def post(server, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def decoded(name, leading=()):
    """Values of level 0 as floats with NaN, and centres of columns and rows."""
    synthetic = data.CATALOGUE[name]()
    of = synthetic.fields[0]
    codes = of.codes[leading] if leading else of.codes
    values = codes.astype(float) * of.scale + of.offset
    for code in of.missing:
        values[codes == code] = np.nan
    rows, cols = codes.shape
    x = synthetic.west + (np.arange(cols) + 0.5) * synthetic.dx
    y = synthetic.north - (np.arange(rows) + 0.5) * synthetic.dy
    return values, x, y, synthetic


def areas_of(y, synthetic):
    low, high = y - synthetic.dy / 2, y + synthetic.dy / 2
    bands = np.sin(np.radians(np.clip(high, -90, 90))) - np.sin(np.radians(np.clip(low, -90, 90)))
    return R**2 * np.radians(synthetic.dx) * bands


def expected(values, areas):
    """Statistics of valid values, by definition."""
    valid = np.isfinite(values)
    v, w = values[valid], areas[valid]
    mean = (v * w).sum() / w.sum()
    order = np.argsort(v, kind="stable")
    share = np.cumsum(w[order]) / w.sum()
    return {
        "cells": values.size,
        "valid": v.size,
        "area": areas.sum(),
        "valid_area": w.sum(),
        "min": v.min(),
        "max": v.max(),
        "mean": mean,
        "std": np.sqrt(((v - mean) ** 2 * w).sum() / w.sum()),
        "percentile": lambda p: v[order][np.searchsorted(share, p / 100 - 1e-12)],
        "histogram": lambda bins: np.histogram(v, bins)[0].tolist(),
    }


def check(found, wanted):
    assert (found.cell_count, found.valid_count) == (wanted["cells"], wanted["valid"])
    assert found.area_m2 == pytest.approx(wanted["area"], rel=1e-9)
    assert found.valid_area_m2 == pytest.approx(wanted["valid_area"], rel=1e-9)
    assert (found.minimum, found.maximum) == (wanted["min"], wanted["max"])
    assert found.mean == pytest.approx(wanted["mean"], rel=1e-9)
    assert found.std == pytest.approx(wanted["std"], rel=1e-9)
    for share, value in zip(ALL.percentiles, found.percentiles, strict=True):
        assert value == wanted["percentile"](share), share
    assert list(found.histogram.counts) == wanted["histogram"](7)
    assert sum(found.histogram.areas_m2) == pytest.approx(found.valid_area_m2)


def in_box(x, y, west, south, east, north):
    """Which columns, round the circle, and which rows have their centre in a box."""
    cols = np.mod(x - west, 360) < east - west
    return cols, (y >= south) & (y < north)


@pytest.mark.parametrize("name", ["global_180", "global_360", "seam_centred", "antimeridian", "odd_sizes"])
@pytest.mark.parametrize("box", [(-180, -90, 180, 90), (-30, -20, 45, 33), (150, -60, 230, 50), (3, 40, 8, 47)])
def test_a_box_against_numpy(tmp_path, name, box):
    values, x, y, synthetic = decoded(name)
    synthetic.write(tmp_path)
    stored = stored_of(tmp_path, name)
    found = statistics(stored, stored.description.variables[0], (), Region.of_bounds(Bounds(*box)), ALL)
    cols, rows = in_box(x, y, *box)
    inside = values[rows][:, cols]
    assert found.level == 0
    if not np.isfinite(inside).any():
        assert (found.cell_count, found.valid_count, found.mean, found.histogram) == (inside.size, 0, None, None)
        return
    check(found, expected(inside.ravel(), np.broadcast_to(areas_of(y[rows], synthetic)[:, None], inside.shape).ravel()))


def stored_of(folder, name):
    from lazytile.pyramid.store.store import Store

    return Store(folder).dataset(name)


def test_the_globe_has_the_earths_area(tmp_path):
    data.CATALOGUE["global_180"]().write(tmp_path)
    stored = stored_of(tmp_path, "global_180")
    found = statistics(stored, stored.description.variables[0], (), Region.of_bounds(Bounds(-180, -90, 180, 90)), ALL)
    assert found.area_m2 == pytest.approx(510065621724000, rel=1e-6)


def test_a_polygon_with_a_hole_against_a_test_of_each_point(tmp_path):
    values, x, y, synthetic = decoded("global_180")
    synthetic.write(tmp_path)
    stored = stored_of(tmp_path, "global_180")
    outer = np.array([[-40.3, -30.1], [60.2, -20.7], [33.3, 41.9], [-10.1, 12.3]])
    hole = np.array([[0.1, -5.2], [20.4, -3.3], [11.1, 10.7]])
    found = statistics(stored, stored.description.variables[0], (), Region((outer, hole)), ALL)
    px, py = np.meshgrid(x, y)
    inside = within(outer, px, py) & ~within(hole, px, py)
    areas = np.broadcast_to(areas_of(y, synthetic)[:, None], values.shape)
    check(found, expected(values[inside], areas[inside]))


def within(ring, px, py):
    """The sign of the winding, edge by edge."""
    turns = np.zeros(px.shape)
    for (x1, y1), (x2, y2) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        cross = (x2 - x1) * (py - y1) - (px - x1) * (y2 - y1)
        turns += ((y1 <= py) & (y2 > py) & (cross > 0)).astype(int)
        turns -= ((y1 > py) & (y2 <= py) & (cross < 0)).astype(int)
    return turns != 0


def test_a_projected_grid(tmp_path):
    values, x, y, synthetic = decoded("mercator")
    synthetic.write(tmp_path)
    stored = stored_of(tmp_path, "mercator")
    to_degrees = pyproj.Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True)
    west, south = to_degrees.transform(x[3], y[-4])
    east, north = to_degrees.transform(x[-5], y[6])
    bounds = Bounds(west - 1e-9, south - 1e-9, east - 1e-9, north - 1e-9)
    found = statistics(stored, stored.description.variables[0], (), Region.of_bounds(bounds), ALL)
    inside = values[7:-3, 3:-5]
    edges = np.concatenate((y + synthetic.dy / 2, [y[-1] - synthetic.dy / 2]))
    latitudes = to_degrees.transform(np.zeros(edges.size), edges)[1]
    bands = -np.diff(np.sin(np.radians(latitudes)))[7:-3]
    width = np.radians(to_degrees.transform(synthetic.dx, 0)[0])
    areas = np.broadcast_to((R**2 * width * bands)[:, None], inside.shape)
    check(found, expected(inside.ravel(), areas.ravel()))


def test_areas_of_a_polar_projection():
    from lazytile.pyramid.core.grid import Grid, RegularAxis
    from lazytile.pyramid.numbers.region import cell_areas

    grid = Grid("EPSG:3413", RegularAxis(-1e6, 1e4, 200), RegularAxis(1e6, -1e4, 200))
    x, y = -1e6 + np.arange(201) * 1e4, 1e6 - np.arange(201) * 1e4
    to_degrees = pyproj.Transformer.from_crs("EPSG:3413", "EPSG:4326", always_xy=True)
    corner_x = np.array([x[20], x[21], x[21], x[20]])
    corner_y = np.array([y[30], y[30], y[31], y[31]])
    area, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(*to_degrees.transform(corner_x, corner_y))
    assert cell_areas(grid, x, y)[30, 20] == pytest.approx(abs(area), rel=1e-3)


@pytest.mark.parametrize("budget", [1, 5_000, 20_000, 1 << 30])
def test_the_level_is_the_finest_that_fits_the_budget(tmp_path, budget):
    data.CATALOGUE["global_180"]().write(tmp_path)
    stored = stored_of(tmp_path, "global_180")
    oracle = data.CATALOGUE["global_180"]().oracle()
    world = Region.of_bounds(Bounds(-180, -90, 180, 90))
    variable = stored.description.variables[0]
    found = statistics(stored, variable, (), world, StatisticsOptions(budget, (50.0,)))
    sizes = [oracle.level(level).size for level in range(stored.description.levels)]
    fitting = [level for level, size in enumerate(sizes) if size <= budget]
    assert found.level == (fitting[0] if fitting else len(sizes) - 1)
    assert found.cell_count == sizes[found.level]
    values = variable.packing.decode(oracle.level(found.level))
    assert (found.minimum, found.maximum) == (np.nanmin(values), np.nanmax(values))


def test_a_ragged_level_has_the_area_of_the_data(tmp_path):
    data.CATALOGUE["odd_sizes"]().write(tmp_path)
    stored = stored_of(tmp_path, "odd_sizes")
    world = Region.of_bounds(Bounds(-180, -90, 180, 90))
    variable = stored.description.variables[0]
    full = statistics(stored, variable, (), world, StatisticsOptions(1 << 30))
    coarse = statistics(stored, variable, (), world, StatisticsOptions(1))
    assert coarse.level == stored.description.levels - 1
    assert coarse.area_m2 == pytest.approx(full.area_m2, rel=1e-12)


def test_kernels_stop(tmp_path):
    data.CATALOGUE["global_180"]().write(tmp_path)
    stored = stored_of(tmp_path, "global_180")
    variable = stored.description.variables[0]
    with pytest.raises(StoppedError):
        statistics(stored, variable, (), Region.of_bounds(Bounds(0, 0, 9, 9)), ALL, lambda: True)
    with pytest.raises(StoppedError):
        values_at(stored, variable, [()], cell_at(stored.description, 1, 1), lambda: True)


def test_a_flag_stops_numbers_and_takes_the_place_of_their_time_limit(tmp_path):
    dataset = data.CATALOGUE["global_180"]().write(tmp_path)
    name, stop = dataset.variables[0].name, StopFlag()
    world = Region.of_bounds(Bounds(-180, -90, 180, 90))
    task = NumbersTask(
        str(tmp_path), "global_180", dataset.generation, name, ((),), region=world, options=ALL, limit_s=0.0
    )
    with pytest.raises(StoppedError):
        compute(task)
    assert len(compute(task, stop)) == 1
    stop.set()
    with pytest.raises(StoppedError):
        compute(task, stop)


def test_statistics_over_http(server):
    values, x, y, synthetic = decoded("global_180")
    answer = get(server, "/numbers/global_180/statistics?bbox=-30,-20,45,33&histogram=7&percentiles=0,10,50,99,100")
    cols, rows = in_box(x, y, -30, -20, 45, 33)
    inside = values[rows][:, cols].ravel()
    areas = np.broadcast_to(areas_of(y[rows], synthetic)[:, None], (rows.sum(), cols.sum())).ravel()
    wanted = expected(inside, areas)
    assert answer["layer"] == "global_180"
    assert answer["level"] == 0
    assert (answer["cells"], answer["valid_cells"]) == (wanted["cells"], wanted["valid"])
    assert answer["mean"] == pytest.approx(wanted["mean"])
    assert answer["std"] == pytest.approx(wanted["std"])
    assert (answer["min"], answer["max"]) == (wanted["min"], wanted["max"])
    assert answer["percentiles"]["50"] == wanted["percentile"](50)
    assert answer["histogram"]["counts"] == wanted["histogram"](7)
    coarse = get(server, "/numbers/global_180/statistics?bbox=-180,-90,180,90&budget=20000")
    assert coarse["level"] > 0
    assert coarse["cells"] <= 20000


def test_a_polygon_over_http_is_the_box_it_draws(server):
    box = get(server, "/numbers/global_180/statistics?bbox=-30,-20,45,33")
    ring = [[-30, -20], [45, -20], [45, 33], [-30, 33], [-30, -20]]
    polygon = {"type": "Polygon", "coordinates": [ring]}
    for body in (
        polygon,
        {"type": "Feature", "properties": {}, "geometry": polygon},
        {"type": "MultiPolygon", "coordinates": [[ring]]},
    ):
        assert json.loads(post(server, "/numbers/global_180/statistics", body).body) == box


def test_a_box_across_180_degrees(server):
    crossing = get(server, "/numbers/global_180/statistics?bbox=170,-10,-170,10")
    assert crossing == get(server, "/numbers/global_180/statistics?bbox=170,-10,190,10")
    assert crossing["cells"] > 0


def test_the_operators_budget_binds(store, tmp_path):
    with running(store, tmp_path / "cache", max_number_cells=65536) as server:
        assert get(server, "/numbers/global_180/statistics?bbox=-180,-90,180,90")["cells"] <= 65536
        assert (
            get(server, "/numbers/global_180/statistics?bbox=-180,-90,180,90&budget=65537", 400)["parameter"]
            == "budget"
        )


def test_a_point(server):
    values, x, y, _ = decoded("global_180")
    row, col = np.argwhere(np.isfinite(values))[1234]
    answer = get(server, f"/numbers/global_180/point?lon={x[col]}&lat={y[row]}")
    assert answer["value"] == pytest.approx(values[row, col])
    assert (answer["cell"]["row"], answer["cell"]["col"], answer["cell"]["level"]) == (row, col, 0)
    assert answer["cell"]["longitude"] == pytest.approx(x[col])
    round_the_earth = get(server, f"/numbers/global_180/point?lon={x[col] + 360}&lat={y[row]}")
    assert round_the_earth["value"] == answer["value"]
    outside = get(server, "/numbers/odd_sizes/point?lon=-100&lat=-50")
    assert (outside["cell"], outside["value"]) == (None, None)


def series_of(name, row, col):
    of = data.CATALOGUE[name]().fields[0]
    codes = of.codes[:, row, col]
    values = codes.astype(float) * of.scale + of.offset
    return [None if code in of.missing else pytest.approx(value) for code, value in zip(codes, values, strict=True)]


def test_a_series(server):
    _, x, y, _ = decoded("time_steps", (0,))
    labels = data.CATALOGUE["time_steps"]().fields[0].dimensions[0].labels
    start = f"/numbers/time_steps/series?lon={x[7]}&lat={y[5]}"
    answer = get(server, start)
    assert answer["times"] == list(labels)
    assert answer["values"] == series_of("time_steps", 5, 7)
    some = get(server, f"{start}&datetime=2024-01-02/..")
    assert some["times"] == list(labels[1:])
    assert some["values"] == answer["values"][1:]
    one = get(server, f"{start}&datetime=2024-01-02")
    assert (one["times"], one["values"]) == ([labels[1]], [answer["values"][1]])
    at = get(server, f"/numbers/time_steps/point?lon={x[7]}&lat={y[5]}&datetime=2024-01-02")
    assert (at["time"], at["value"]) == (labels[1], answer["values"][1])


def test_csv(server):
    _, x, y, _ = decoded("time_steps", (0,))
    start = f"/numbers/time_steps/series?lon={x[7]}&lat={y[5]}"
    reply = server.get(f"{start}&f=csv")
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    answer = get(server, start)
    assert [row["time"] for row in rows] == answer["times"]
    assert [float(row["value"]) if row["value"] else None for row in rows] == answer["values"]
    assert server.get(start, {"Accept": "text/csv"}).body == reply.body


def test_coverage_json(server):
    _, x, y, _ = decoded("time_steps", (0,))
    start = f"/numbers/time_steps/series?lon={x[7]}&lat={y[5]}"
    reply = server.get(f"{start}&f=covjson")
    assert reply.headers["Content-Type"] == "application/prs.coverage+json"
    coverage, answer = json.loads(reply.body), get(server, start)
    assert coverage["domain"]["domainType"] == "PointSeries"
    assert coverage["domain"]["axes"]["t"]["values"] == answer["times"]
    [values] = coverage["ranges"].values()
    assert values["values"] == answer["values"]
    assert values["shape"] == [len(answer["times"])]
    assert set(coverage["parameters"]) == set(coverage["ranges"])
    alone = json.loads(server.get("/numbers/global_180/point?lon=0&lat=0&f=covjson").body)
    assert alone["domain"]["domainType"] == "Point"


def test_other_dimensions(server):
    [other] = [each for each in data.CATALOGUE["extra_dimension"]().fields[0].dimensions if each.kind != "time"]
    means = {
        get(server, f"/numbers/extra_dimension/statistics?bbox=-180,-90,180,90&{other.name}={label}")["mean"]
        for label in other.labels
    }
    assert len(means) == len(other.labels)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/numbers/nope/statistics?bbox=0,0,1,1", 404),
        ("/numbers/global_180/statistics", 400),
        ("/numbers/global_180/statistics?bbox=0,0,1", 400),
        ("/numbers/global_180/statistics?bbox=0,0,1,nan", 400),
        ("/numbers/global_180/statistics?bbox=0,0,0,1", 400),
        ("/numbers/global_180/statistics?bbox=0,5,1,1", 400),
        ("/numbers/global_180/statistics?bbox=-200,0,200,1", 400),
        ("/numbers/global_180/statistics?bbox=0,0,1,1&histogram=100000", 400),
        ("/numbers/global_180/statistics?bbox=0,0,1,1&histogram=5&range=3,1", 400),
        ("/numbers/global_180/statistics?bbox=0,0,1,1&percentiles=101", 400),
        ("/numbers/global_180/statistics?bbox=0,0,1,1&budget=0", 400),
        ("/numbers/time_steps/statistics?bbox=0,0,1,1&datetime=nope", 400),
        ("/numbers/time_steps/statistics?bbox=0,0,1,1&datetime=1999-01-01", 404),
        ("/numbers/global_180/point", 400),
        ("/numbers/global_180/point?lon=0&lat=91", 400),
        ("/numbers/global_180/point?lon=inf&lat=1", 400),
        ("/numbers/global_180/point?lon=1&lat=1&f=xml", 400),
        ("/numbers/time_steps/series?lon=1&lat=1&datetime=../1999-01-01", 404),
        ("/numbers/nope/series?lon=1&lat=1", 404),
    ],
)
def test_problems(server, path, status):
    body = get(server, path, status)
    assert body["status"] == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nope",
        b"[" * 60_000,
        b"[]",
        b"null",
        b'{"type": "Feature", "geometry": null}',
        b'{"type": "Point", "coordinates": [1, 2]}',
        b'{"type": "Polygon"}',
        b'{"type": "Polygon", "coordinates": []}',
        b'{"type": "Polygon", "coordinates": [[]]}',
        b'{"type": "Polygon", "coordinates": [null]}',
        b'{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}',
        b'{"type": "Polygon", "coordinates": [[[0, 0], [1, "x"], [1, 1], [0, 0]]]}',
        b'{"type": "Polygon", "coordinates": [[[0, 0], [1, NaN], [1, 1], [0, 0]]]}',
        b'{"type": "Polygon", "coordinates": [[[0, 0], [1, 1e999], [1, 1], [0, 0]]]}',
        b'{"type": "Polygon", "coordinates": [[[0, 0], [1, 95], [1, 1], [0, 0]]]}',
        b'{"type": "Polygon", "coordinates": [[[-300, 0], [300, 5], [1, 1], [-300, 0]]]}',
        json.dumps({"type": "Polygon", "coordinates": [[[0, 0]] * 3000]}).encode(),
    ],
)
def test_bodies_that_are_no_polygon(server, body):
    reply = post(server, "/numbers/global_180/statistics", body)
    assert reply.status == 400, reply.body
    assert json.loads(reply.body)["parameter"] == "body"


def test_a_body_that_is_too_large(server):
    reply = post(server, "/numbers/global_180/statistics", b" " * 100_000)
    assert reply.status == 413
    assert json.loads(reply.body)["status"] == 413


def test_other_sites_may_send_polygons(server):
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    reply = server.get("/numbers/global_180/statistics", asked, method="OPTIONS")
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in reply.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("engine", ["threads", "local"])
def test_numbers_are_computed_on_the_engine(tmp_path_factory, engine):
    """The same answers wherever the work runs; the server process itself opens no chunk for them."""
    folder = tmp_path_factory.mktemp("engines")
    data.CATALOGUE["time_steps"]().write(folder)
    box = "/numbers/time_steps/statistics?bbox=-40,-20,60,50&percentiles=5,50&bins=4"
    place = "/numbers/time_steps/series?lon=-10.5&lat=20.5"
    with running(folder, folder / "cache", engine=engine, workers=1) as there:
        answers = [there.get(path) for path in (box, place)]
    with running(folder, folder / "cache2") as here:
        expected = [here.get(path) for path in (box, place)]
    assert [answer.status for answer in answers] == [200, 200], [answer.body for answer in answers]
    assert [answer.body for answer in answers] == [answer.body for answer in expected]


def test_a_task_of_another_generation_is_refused(tmp_path):
    data.CATALOGUE["global_180"]().write(tmp_path)
    layer = Store(tmp_path).layer("global_180")
    task = NumbersTask(str(tmp_path), "global_180", "old", layer.variable.name, ((),), cell=PointCell(0, 0, 0.0, 0.0))
    with pytest.raises(GenerationChangedError):
        compute(task)


def test_equal_tasks_have_equal_keys():
    region = Region.of_bounds(Bounds(0.0, 0.0, 10.0, 10.0))
    other = Region.of_bounds(Bounds(0.0, 0.0, 10.0, 10.5))
    options = StatisticsOptions(1000)
    keys = [NumbersTask("s", "d", "g", "v", ((0,),), where, options).key for where in (region, region, other)]
    assert keys[0] == keys[1] != keys[2]
