"""Tiles from exported MRFs: found without configuration, served without computing, skipped if damaged."""

import io
import logging
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.mrf import header
from lazytile.pyramid.mrf.effort import CompressionEffort
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.store.dataset import Dimension
from lazytile.pyramid.store.store import Store
from lazytile.service.tiles import mrf_tier
from tests.pyramid.mrf.stores import export, field, write_store
from tests.service.harness import running

NATIVE = "/wmts/sst/default/native_sst/1/0/1.png"
DAYS = Dimension("time", "time", ("2019-01-01T09:00:00Z", "2019-01-02T09:00:00Z"))


def painted(folder, name="default"):
    store = Store(folder)
    (layer,) = store.layers()
    return Styles(ColormapCatalog()).style(layer, name)


def export_here(root, out="mrf", name="default", **options):
    return export(Store(root / "store"), root / out, painted(root / "store", name), **options)


@pytest.fixture(autouse=True)
def look_always(monkeypatch):
    monkeypatch.setattr(mrf_tier, "CHECK_INTERVAL_S", 0.0)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "store").mkdir()
    write_store(tmp_path / "store", field(700, 900))
    return tmp_path


@pytest.fixture
def serve(root):
    return lambda **options: running(root / "store", root / "cache", memory_bytes=0, **options)


def tier_of(reply):
    """Return the tier of a tile, as stated in the response."""
    return re.search(r"cache;desc=(\w+)", reply.headers["Server-Timing"])[1]


def computed(root, path=NATIVE):
    """The tile as it is rendered, and its tag."""
    with running(root / "store", root / "other-cache", mrf_folder=root / "nowhere") as server:
        reply = server.get(path)
        assert tier_of(reply) in {"computed", "disk"}
        return reply


def tiers(server):
    return {tier: server.counter("lazytile_tiles_total", tier=tier) for tier in ("mrf", "disk", "computed", "client")}


def test_an_export_beside_the_store_is_served(root, serve):
    rendered = computed(root)
    with serve() as server:
        assert tiers(server)["mrf"] == 0
        export_here(root)  # under the running server
        reply = server.get(NATIVE)
        assert reply.status == 200
        assert tier_of(reply) == "mrf"
        assert (reply.body, reply.headers["ETag"]) == (rendered.body, rendered.headers["ETag"])
        # A tile without data is not in the file; it is the same tile all the same.
        empty = server.get("/wmts/sst/default/native_sst/2/0/0.png")
        assert empty.body == computed(root, "/wmts/sst/default/native_sst/2/0/0.png").body
        assert tiers(server) == {"mrf": 2, "disk": 0, "computed": 0, "client": 0}
        assert server.counter("lazytile_renders_total") == 0


@pytest.mark.parametrize(
    ("version", "reduction", "tier"),
    [("2", "mean", "mrf"), ("1", "mean", "computed"), ("2", "mode", "mrf"), (None, "mode", "mrf")],
)
def test_exports_of_an_earlier_version_are_served_where_they_show_the_same(
    root, serve, monkeypatch, version, reduction, tier
):
    shutil.rmtree(root / "store" / "sst.zarr")
    write_store(root / "store", field(700, 900), reduction=reduction)
    with monkeypatch.context() as patch:
        if version is not None:
            patch.setattr(header, "RENDERER_VERSION", version)
        export_here(root, tms="WebMercatorQuad")
    tile = "/wmts/sst/default/WebMercatorQuad/1/0/1.png"
    rendered = computed(root, tile)
    with serve() as server:
        reply = server.get(tile)
        assert tier_of(reply) == tier
        assert reply.body == rendered.body


def test_other_bytes_have_a_tag_of_their_own(root, serve):
    rendered = computed(root)
    tag = rendered.headers["ETag"]
    export_here(root, effort=CompressionEffort.SMALL)
    with serve() as server:
        reply = server.get(NATIVE)
        other = reply.headers["ETag"]
        assert reply.body != rendered.body
        assert other != tag
        assert other.startswith(tag[:-1] + "-")
        with Image.open(io.BytesIO(reply.body)) as ours, Image.open(io.BytesIO(rendered.body)) as theirs:
            np.testing.assert_array_equal(np.asarray(ours.convert("RGBA")), np.asarray(theirs.convert("RGBA")))
        for known in (tag, other, f'"x", W/{other}'):
            again = server.get(NATIVE, {"If-None-Match": known})
            assert again.status == 304
            assert again.headers["ETag"] in known
        assert server.get(NATIVE, {"If-None-Match": f'{tag[:-1]}-nonsense"'}).status == 200
        assert tiers(server) == {"mrf": 2, "disk": 0, "computed": 0, "client": 3}


def test_every_set_and_step_and_folder(root, serve):
    shutil.rmtree(root / "store" / "sst.zarr")
    write_store(root / "store", np.stack([field(300, 600, 1), field(300, 600, 2)]), dimensions=(DAYS,))
    export_here(root, "mrf/web", tms="WebMercatorQuad")
    export_here(root, "mrf/gibs/grey", "grey", tms="16km", select={"time": ["2019-01-02"]})
    with serve() as server:
        for path, tier in (
            ("/wmts/sst/default/2019-01-01T09:00:00Z/WebMercatorQuad/1/0/1.png", "mrf"),
            ("/wmts/sst/default/2019-01-02T09:00:00Z/WebMercatorQuad/0/0/0.png", "mrf"),
            ("/wmts/sst/default/2019-01-02T09:00:00Z/WebMercatorQuad/5/0/0.png", "computed"),  # finer than the export
            ("/wmts/sst/grey/2019-01-02T09:00:00Z/16km/1/0/1.png", "mrf"),
            ("/wmts/sst/grey/2019-01-01T09:00:00Z/16km/1/0/1.png", "computed"),  # another step
            ("/wmts/sst/default/2019-01-02T09:00:00Z/16km/1/0/1.png", "computed"),  # another style
            ("/wmts/sst/default/2019-01-02T09:00:00Z/WebMercatorQuad/1/0/1.jpg", "computed"),
            ("/wmts/sst/default/2019-01-02T09:00:00Z/WebMercatorQuad/1/0/1.png?resampling=bilinear", "computed"),
        ):
            reply = server.get(path)
            assert (path, reply.status) == (path, 200)
            assert tier_of(reply) == tier, path
            assert reply.body == computed(root, path).body


def test_pages_of_another_size_are_not_its_tiles(root, serve):
    export_here(root, page=512)
    with serve() as server:
        assert tier_of(server.get(NATIVE)) == "computed"


def test_a_replaced_dataset_leaves_its_mrf_behind(root, serve, caplog):
    export_here(root)
    with serve() as server, caplog.at_level(logging.WARNING, "lazytile"):
        server.get(NATIVE)
        shutil.rmtree(root / "store" / "sst.zarr")
        write_store(root / "store", field(700, 900, 9), generation="generation-2")
        for _ in range(3):
            reply = server.get(NATIVE)
        assert reply.body == computed(root).body
        assert tiers(server)["mrf"] == 1
        lines = [record.getMessage() for record in caplog.records if "MRF" in record.getMessage()]
        assert len(lines) == 1
        assert "generation-1" in lines[0]
        export_here(root)  # the new one takes its place while the server runs
        reply = server.get(NATIVE)
        assert tier_of(reply) == "mrf"
        assert reply.body == computed(root).body


def cut(path):
    os.truncate(path.with_suffix(".ppg"), 1000)


def spoil(path):
    data = bytearray(path.with_suffix(".ppg").read_bytes())
    data[len(data) // 100 :: 50] = bytes(len(data[len(data) // 100 :: 50]))
    path.with_suffix(".ppg").write_bytes(data)


def lose_the_index(path):
    path.with_suffix(".idx").unlink()


def point_past_the_end(path):
    index = path.with_suffix(".idx")
    index.write_bytes(b"\xff" * index.stat().st_size)


def spoil_the_header(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("damage", [cut, spoil, lose_the_index, point_past_the_end, spoil_the_header])
@pytest.mark.parametrize("opened", [False, True])
def test_a_damaged_mrf_is_passed_over_until_it_is_mended(root, serve, caplog, damage, opened):
    (summary,) = export_here(root)
    rendered = computed(root)
    with serve() as server, caplog.at_level(logging.WARNING, "lazytile"):
        if opened:
            assert tier_of(server.get(NATIVE)) == "mrf"
        damage(summary.path)
        for _ in range(3):
            reply = server.get(NATIVE)
            assert (reply.status, reply.body) == (200, rendered.body)
        lines = [record.getMessage() for record in caplog.records if "is skipped" in record.getMessage()]
        assert len(lines) == 1, lines
        assert tiers(server)["mrf"] == opened
        export_here(root)
        summary.path.with_suffix(".ppg").write_bytes(summary.path.with_suffix(".ppg").read_bytes())
    shutil.rmtree(root / "mrf")
    export_here(root)
    with serve() as server:
        assert tier_of(server.get(NATIVE)) == "mrf"


def test_a_replaced_mrf_is_read_anew(root, serve):
    export_here(root, effort=CompressionEffort.SMALL)
    with serve() as server:
        before = server.get(NATIVE)
        export_here(root, effort=CompressionEffort.SERVED)
        after = server.get(NATIVE)
        assert tiers(server)["mrf"] == 2
        assert before.body != after.body == computed(root).body
        shutil.rmtree(root / "mrf")
        assert tier_of(server.get(NATIVE)) == "computed"
        assert tiers(server)["mrf"] == 2


def test_open_files_are_bounded(root, serve, monkeypatch):
    monkeypatch.setattr(mrf_tier, "OPEN_FILES", 2)
    days = Dimension("time", "time", tuple(f"2019-01-{day:02d}T00:00:00Z" for day in range(1, 8)))
    shutil.rmtree(root / "store" / "sst.zarr")
    write_store(root / "store", np.stack([field(300, 300, day) for day in range(7)]), dimensions=(days,))
    export_here(root)
    with serve() as server:
        for _ in range(2):
            for label in days.labels:
                reply = server.get(f"/wmts/sst/default/{label}/native_sst/1/1/1.png")
                assert tier_of(reply) == "mrf"
                assert len(server.context.broker._slower._mrfs._index._open) <= 2
