"""Appending time steps: new steps are right, old ones stay, and sources that do not fit are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import DatasetNotFoundError, SourceError
from lazytile.pyramid.ingest import append as appending
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from tests.pyramid.netcdf import TIME, centres, write_grid

if TYPE_CHECKING:
    from tests.stores import StorePlace

ROWS, COLS = 600, 700


def codes_of(*times: float, rows: int = ROWS) -> np.ndarray:
    """Return fields that depend only on their time."""
    planes = [np.random.default_rng(int(time * 4)).integers(-900, 900, (rows, COLS)) for time in times]
    codes = np.stack(planes).astype("int16")
    codes[:, :300, :300] = -32768
    return codes


def source(path: Path, *times: float, units: dict[str, Any] = TIME, **changes: Any) -> Path:
    days = np.asarray(times, float)
    stored = days * 24 if units["units"].startswith("hours") else days
    rows = changes.pop("rows", ROWS)
    options = {"fill": -32768, "attributes": {"scale_factor": 0.01}, **changes}
    lat = centres(60, -0.1, rows)
    return write_grid(
        path, codes_of(*times, rows=rows), lat, centres(0, 0.1, COLS), leading={"time": (stored, units)}, **options
    )


def levels_of(store: Path | StorePlace) -> list[np.ndarray]:
    group = zarr.open_group(store / "d.zarr", mode="r") if isinstance(store, Path) else store.group()
    return [group[f"{level}/t"][...] for level in range(3)]


STORAGES = {"usual": Storage(), "sharded": Storage(Codec("gzip", 1), shard=2)}


@pytest.mark.parametrize(
    ("place", "kind"),
    [("folder", "usual"), ("folder", "sharded"), ("memory", "usual"), ("memory", "sharded"), ("s3", "sharded")],
    indirect=["place"],
)
def test_appended_steps_are_as_if_converted_at_once(tmp_path: Path, place: StorePlace, kind: str) -> None:
    whole = convert(source(tmp_path / "all.nc", 0, 1, 2.5, 4), tmp_path / "w", "d", storage=STORAGES[kind])
    first = convert(source(tmp_path / "a.nc", 0, 1), place.root, "d", storage=STORAGES[kind])
    hours = {**TIME, "units": "hours since 2001-01-01"}
    second = append(source(tmp_path / "b.nc", 2.5, units=hours), place.root, "d")
    third = append(source(tmp_path / "c.nc", 4), place.root, "d")
    for ours, theirs in zip(levels_of(place), levels_of(tmp_path / "w"), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    ours, theirs = third.variables[0], whole.variables[0]
    assert ours.dimensions == theirs.dimensions
    assert ours.level_statistics == theirs.level_statistics
    assert ours.histogram == theirs.histogram
    assert ours.generations == ((first.generation, 2), (second.generation, 1), (third.generation, 1))
    assert ours.first_range == (first.variables[0].statistics.minimum, first.variables[0].statistics.maximum)
    assert Store(place.root).dataset("d").description == third
    store = place.group().store
    for level in "012":
        with (
            xr.open_zarr(store, group=level) as stored,
            xr.open_zarr(tmp_path / "w/d.zarr", group=level) as at_once,
        ):
            xr.testing.assert_equal(stored.load(), at_once.load())
    assert place.leftovers() == []


def test_old_steps_are_linked_not_copied(tmp_path: Path) -> None:
    convert(source(tmp_path / "a.nc", 0), tmp_path / "s", "d")
    chunk = tmp_path / "s/d.zarr/0/t/c/0/2/2"
    before = chunk.stat().st_ino
    append(source(tmp_path / "b.nc", 1), tmp_path / "s", "d")
    assert chunk.stat().st_ino == before
    assert chunk.stat().st_nlink == 1


def test_where_links_are_not_known_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(source(tmp_path / "a.nc", 0), tmp_path / "s", "d")

    link = os.link

    def refuse(source: str, target: str, **options: Any) -> None:
        if "/c/" in str(source):
            raise PermissionError(1, "Operation not permitted")
        link(source, target, **options)

    monkeypatch.setattr(appending.os, "link", refuse)
    append(source(tmp_path / "b.nc", 1), tmp_path / "s", "d")
    np.testing.assert_array_equal(levels_of(tmp_path / "s")[0], codes_of(0, 1))


def test_a_step_is_replaced_and_the_others_keep_their_generation(tmp_path: Path, place: StorePlace) -> None:
    first = convert(source(tmp_path / "a.nc", 0, 1, 2), place.root, "d")
    changed = source(tmp_path / "b.nc", 1, 3)
    with xr.open_dataset(changed, mask_and_scale=False) as file:
        codes = file["t"].values.copy()
    codes[0, 400:, 400:] = 20_000
    leading = {"time": (np.array([1.0, 3.0]), TIME)}
    write_grid(
        changed,
        codes,
        centres(60, -0.1, ROWS),
        centres(0, 0.1, COLS),
        leading=leading,
        fill=-32768,
        attributes={"scale_factor": 0.01},
    )
    second = append(changed, place.root, "d", replace_steps=True)
    variable = second.variables[0]
    assert variable.generations == (
        (first.generation, 1),
        (second.generation, 1),
        (first.generation, 1),
        (second.generation, 1),
    )
    stored = levels_of(place)
    np.testing.assert_array_equal(stored[0][[1, 3]], codes)
    np.testing.assert_array_equal(stored[0][[0, 2]], codes_of(0, 2))
    assert (stored[2][1, 125:, 125:] == 20_000).all()
    held = stored[0][stored[0] != -32768]
    assert variable.statistics.valid_count == held.size
    assert variable.statistics.maximum == pytest.approx(200)
    assert sum(variable.histogram.counts) == held.size


@pytest.mark.parametrize(
    ("times", "changes", "message"),
    [
        ((1,), {}, "the dataset already has 2001-01-02T00:00:00Z; --replace-steps replaces it"),
        ((0.5, 3), {}, "2001-01-01T12:00:00Z is not after the dataset's last time, 2001-01-02T00:00:00Z"),
        ((5,), {"rows": 599}, "its grid is 700 x 599 cells"),
        ((5,), {"attributes": {"scale_factor": 0.1}}, "variable t is packed as int16 x 0.1"),
        ((5,), {"fill": -1}, "no data -1, the dataset's as int16"),
        ((5,), {"name": "u"}, "there is no layer 't'"),
        ((5,), {"units": {**TIME, "calendar": "noleap"}}, "its calendar is noleap, the dataset's standard"),
    ],
)
def test_a_source_that_does_not_fit_is_refused(
    tmp_path: Path, place: StorePlace, times: Any, changes: dict[str, Any], message: str
) -> None:
    before = convert(source(tmp_path / "a.nc", 0, 1), place.root, "d")
    with pytest.raises(SourceError, match=message):
        append(source(tmp_path / "b.nc", *times, **changes), place.root, "d")
    assert Store(place.root).dataset("d").description == before
    assert place.leftovers() == []


def test_a_dataset_without_times_takes_none(tmp_path: Path, place: StorePlace) -> None:
    codes = codes_of(0)[0]
    write_grid(tmp_path / "a.nc", codes, centres(60, -0.1, ROWS), centres(0, 0.1, COLS))
    convert(tmp_path / "a.nc", place.root, "d")
    with pytest.raises(SourceError, match="dataset d has no time"):
        append(tmp_path / "a.nc", place.root, "d")
    with pytest.raises(DatasetNotFoundError):
        append(tmp_path / "a.nc", place.root, "other")


def test_a_variable_without_times_stays(tmp_path: Path, place: StorePlace) -> None:
    path = source(tmp_path / "a.nc", 0)
    with xr.open_dataset(path, mask_and_scale=False) as file:
        both = file.load().assign(mask=(("lat", "lon"), np.ones((ROWS, COLS), "uint8")))
    both["mask"].attrs["long_name"] = "land mask"
    both.to_netcdf(tmp_path / "both.nc")
    first = convert(tmp_path / "both.nc", place.root, "d")
    second = append(source(tmp_path / "b.nc", 1), place.root, "d")
    assert second.variable("mask").generations == ((first.generation, 1),)
    assert second.variable("mask").statistics == first.variable("mask").statistics
    assert (place.group()["0/mask"][...] == 1).all()
    assert second.content_generation(["t"], (0,)) == first.generation
    assert second.content_generation(["t"], (1,)) == second.generation
