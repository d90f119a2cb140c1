"""A dataset grows while the server runs."""

from __future__ import annotations

import numpy as np

from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import convert
from tests.pyramid.ingest.test_append import source
from tests.service.harness import running

DAY = "2001-01-0{}T00:00:00Z"


def tile(server, day, **headers):
    return server.get(f"/xyz/d/3/4/2.png?time={DAY.format(day)}", headers or None)


def test_new_steps_show_and_tiles_of_the_others_stay(tmp_path):
    store = tmp_path / "store"
    convert(source(tmp_path / "a.nc", 0, 1), store, "d")
    with running(store, tmp_path / "cache") as server:
        before = {day: tile(server, day) for day in (1, 2)}
        assert {reply.status for reply in before.values()} == {200}
        assert tile(server, 3).status == 400
        renders = server.counter("lazytile_renders_total")
        append(source(tmp_path / "b.nc", 2), store, "d")
        capabilities = server.get("/wmts?service=WMTS&request=GetCapabilities").body.decode()
        assert DAY.format(3) in capabilities
        new = tile(server, 3)
        assert new.status == 200
        assert new.body != before[2].body
        assert server.counter("lazytile_renders_total") == renders + 1
        for day, reply in before.items():
            again = tile(server, day)
            assert (again.headers["ETag"], again.body) == (reply.headers["ETag"], reply.body)
            assert tile(server, day, **{"If-None-Match": reply.headers["ETag"]}).status == 304
        assert server.counter("lazytile_renders_total") == renders + 1
    with running(store, tmp_path / "cache") as server:
        # Tiles on disk were not dropped either.
        assert tile(server, 1).body == before[1].body
        assert server.counter("lazytile_renders_total") == 0


def test_a_replaced_step_changes_and_the_others_do_not(tmp_path):
    store = tmp_path / "store"
    convert(source(tmp_path / "a.nc", 0, 1), store, "d")
    with running(store, tmp_path / "cache") as server:
        before = {day: tile(server, day) for day in (1, 2)}
        codes = np.full((1, 600, 700), 777, "int16")
        path = source(tmp_path / "b.nc", 1)
        import netCDF4

        with netCDF4.Dataset(path, "a") as file:
            file["t"].set_auto_maskandscale(False)
            file["t"][:] = codes
        append(path, store, "d", replace_steps=True)
        changed, same = tile(server, 2), tile(server, 1)
        assert changed.headers["ETag"] != before[2].headers["ETag"]
        assert changed.body != before[2].body
        assert same.headers["ETag"] == before[1].headers["ETag"]
        assert server.counter("lazytile_renders_total") == 3
