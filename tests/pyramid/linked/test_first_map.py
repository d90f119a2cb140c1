"""Linking is chosen where it is the quicker way to the first map, and its colours are those of the converted source."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.linked.first_map import FirstMap, first_map
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.store.store import read_description
from tests.pyramid.linked.test_link import field, tiles_of


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Forty steps in 90 MB: converting writes all of them, a map shows one."""
    folder = tmp_path_factory.mktemp("first_map")
    rows, cols, steps = 900, 1250, 40
    one = np.add.outer(np.arange(rows), np.arange(cols)).astype("int16")
    codes = np.broadcast_to(one, (steps, rows, cols))
    made = xr.Dataset(
        {"sst": (("time", "lat", "lon"), codes, {"scale_factor": 0.01, "units": "degC"})},
        coords={
            "time": ("time", np.arange(steps), {"units": "days since 2020-01-01"}),
            "lat": ("lat", -40 + 0.1 * (np.arange(rows) + 0.5), {"units": "degrees_north"}),
            "lon": ("lon", 0.1 * (np.arange(cols) + 0.5), {"units": "degrees_east"}),
        },
    )
    made["sst"].encoding = {"chunks": (1, 450, 625)}
    made.to_zarr(folder / "steps.zarr", zarr_format=3, consolidated=False)
    made["sst"].encoding = {"chunks": (40, 900, 1250)}
    made.to_zarr(folder / "whole.zarr", zarr_format=3, consolidated=False)
    return folder


def test_many_steps_of_which_a_map_shows_one_are_linked(series):
    found = first_map([str(series / "steps.zarr")], whole_planes=2)
    assert found is not None
    assert found.is_linked or found.linked_s > 0.1  # a machine that reads 2 MB in this time converts
    assert found.converted_s > 0.6
    assert found.tile_bytes == 4 * 450 * 625 * 2


def test_a_source_in_one_chunk_is_converted(series):
    found = first_map([str(series / "whole.zarr")], whole_planes=2)
    assert found is not None
    assert found.tile_bytes == 40 * 900 * 1250 * 2
    assert not found.is_linked


def test_a_small_source_is_converted(tmp_path):
    field(tmp_path / "in.zarr")
    found = first_map([str(tmp_path / "in.zarr")], whole_planes=2)
    assert found is not None
    assert not found.is_linked


def test_what_cannot_be_linked_is_converted(tmp_path):
    assert first_map([str(tmp_path / "none.nc")]) is None
    assert first_map(["https://127.0.0.1:9/file.nc"]) is None
    (tmp_path / "a.nc").write_bytes(b"\x1f\x8b" + bytes(100))
    assert first_map([str(tmp_path / "a.nc")]) is None


def test_the_quicker_way_with_a_margin():
    found = FirstMap(linked_s=0.4, converted_s=2.0, tile_bytes=1 << 20, reading_s=9.0)
    assert found.is_linked
    assert not replace(found, linked_s=1.9).is_linked
    assert not replace(found, converted_s=0.5).is_linked
    assert not replace(found, tile_bytes=200 << 20).is_linked


def test_the_colours_are_those_of_the_converted_source(series, tmp_path):
    """All of it is read for the range, above the size from which ``link`` reads a sample."""
    seen: list[tuple[float, float]] = []
    link(series / "steps.zarr", tmp_path / "linked", "d", exact=True, progress=lambda *at: seen.append(at))
    convert(series / "steps.zarr", tmp_path / "converted", "d")
    linked, converted = (
        read_description(tmp_path / each / "d.zarr").variable("sst") for each in ("linked", "converted")
    )
    assert linked.statistics == converted.statistics
    assert linked.histogram == converted.histogram
    assert linked.style_range == converted.style_range
    assert seen[-1] == (40 * 900 * 1250 * 2,) * 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    tiles = tiles_of(tmp_path / "converted", "d")
    assert tiles_of(tmp_path / "linked", "d") == tiles
