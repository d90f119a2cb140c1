"""Replacing the source of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.pyramid.core.errors import DatasetNotFoundError, SourceError
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.ingest.replace import replace
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from lazytile.service.cli import main
from tests.pyramid.netcdf import centres, write_grid
from tests.service.harness import running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stores import StorePlace


def source(path: Path, value: int, size: int = 600) -> Path:
    codes = np.full((size, size), value, "int16")
    return write_grid(path, codes, centres(60, -0.1, size), centres(0, 0.1, size), fill=-1)


@pytest.mark.parametrize("storage", [Storage(Codec("gzip", 1), shard=2), Storage(lazy=True)], ids=["sharded", "lazy"])
def test_the_properties_of_the_old_dataset_stay(tmp_path: Path, place: StorePlace, storage: Storage) -> None:
    old = convert(source(tmp_path / "a.nc", 1), place.root, "d", title="Mine", colormap="viridis", storage=storage)
    new = replace(source(tmp_path / "b.nc", 2, 700), place.root, "d")
    assert new.generation != old.generation
    assert new.grid.shape.rows == 700
    assert (new.title, new.codec, new.shard, new.lazy) == ("Mine", old.codec, old.shard, old.lazy)
    assert new.variables[0].colormap == "viridis"
    assert (place.group()["0/t"][...] == 2).all()
    assert verify(place.root, "d").problems == ()
    assert place.leftovers() == []


def test_the_layers_stay_unless_others_are_named(tmp_path: Path, place: StorePlace) -> None:
    convert(source(tmp_path / "a.nc", 1), place.root, "d")
    other = write_grid(
        tmp_path / "b.nc", np.ones((30, 40), "int16"), centres(0, 1, 30), centres(0, 1, 40), name="other"
    )
    with pytest.raises(SourceError, match="there is no layer 't'"):
        replace(other, place.root, "d")
    assert Store(place.root).dataset("d").description.variables[0].name == "t"
    assert replace(other, place.root, "d", ["other"]).variables[0].name == "other"


def test_there_must_be_one(tmp_path: Path, place: StorePlace) -> None:
    with pytest.raises(DatasetNotFoundError):
        replace(source(tmp_path / "a.nc", 1), place.root, "d")
    assert place.is_empty()


def test_the_command_under_a_running_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "s"
    convert(source(tmp_path / "a.nc", 1), store, "d")
    with running(store, tmp_path / "cache") as server:
        path = "/xyz/d/4/8/6.npy"
        before = server.get(path)
        assert before.status == 200
        words = ["replace", str(source(tmp_path / "b.nc", 2)), "d", "--store", str(store), "--engine", "threads"]
        assert main.run(words) == 0
        assert "is replaced: 600 x 600 cells" in capsys.readouterr().out
        after = server.get(path)
        assert after.headers["ETag"] != before.headers["ETag"]
        assert after.body != before.body
        assert [path.name for path in store.iterdir()] == ["d.zarr"]
    assert main.run(["replace", str(tmp_path / "b.nc"), "e", "--store", str(store)]) == 2
    assert "has no dataset 'e'" in capsys.readouterr().err
