"""leaflet-timedimension reads every time of long axes from the capabilities of WMS, as its own code does.

Lists were cut after 2,000 characters, inside a value: of 1,440 times it saw 1,032.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random

import numpy as np
import pytest

from lazytile.pyramid.store.dataset import Dimension
from tests import data
from tests.clients.page import showing
from tests.service.harness import running

HEAD = (
    '<script src="libraries/leaflet/dist/leaflet.js"></script>'
    '<script src="libraries/iso8601-js-period/iso8601.js"></script>'
    '<script src="libraries/leaflet-timedimension/dist/leaflet.timedimension.src.js"></script>'
)
MAP = """
const map = L.map('map', {timeDimension: true, timeDimensionOptions: {}}).setView([0, 0], 1);
const wms = L.tileLayer.wms('%s/wms', {layers: '%s', format: 'image/png', transparent: true, version: '%s'});
window.layer = L.timeDimension.layer.wms(wms, {
  updateTimeDimension: true, wmsVersion: '%s', setDefaultTime: true});
window.layer.addTo(map);
"""
START = dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta()))


def label(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _axes():
    chance = random.Random(3)
    minutes = sorted(chance.sample(range(100_000), 1440))
    months = [START.replace(year=2020 + at // 12, month=at % 12 + 1) for at in range(240)]
    return {
        "irregular": [label(START + dt.timedelta(minutes=at)) for at in minutes],
        "half_hours": [label(START + dt.timedelta(minutes=30 * at)) for at in range(1440)],
        "months": [label(each) for each in months],
        "gaps": [label(START + dt.timedelta(hours=at)) for at in range(2000) if at % 100 < 90 and at % 700 != 3],
        "few": [label(START + dt.timedelta(days=at * at)) for at in range(9)],
    }


AXES = _axes()


@pytest.fixture(scope="module")
def time_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("times")
    for name, labels in AXES.items():
        codes = np.zeros((len(labels), 2, 4), "uint8")
        field = data.Field("v", codes, dimensions=(Dimension("time", "time", tuple(labels)),))
        data.Synthetic(name, -180.0, 90.0, 90.0, 90.0, (field,)).write(folder / "store")
    with running(folder / "store", folder / "cache") as server:
        yield server


@pytest.mark.parametrize("version", ["1.1.1", "1.3.0"])
def test_every_time_is_read(map_libraries, time_server, version):
    async def look(name):
        async with showing(HEAD, MAP % (time_server.url, name, version, version)) as page:
            await page.wait_until("window.layer._availableTimes.length > 0", 30)
            times = "window.layer._availableTimes.map(each => new Date(each).toISOString())"
            return await page.evaluate(times), await page.evaluate("new Date(window.layer._defaultTime).toISOString()")

    for name, labels in AXES.items():
        times, default = asyncio.run(look(name))
        assert [each.replace(".000Z", "Z") for each in times] == labels, name
        assert default.replace(".000Z", "Z") == labels[-1]
