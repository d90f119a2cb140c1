"""A tile belongs to the generation of its request, or there is no tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.core.errors import GenerationChangedError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.render import block_reader
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.renderer import render, render_values
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.render.tile_request import PixelOptions, TileRequest
from lazytile.pyramid.store.store import Store
from tests.pyramid.netcdf import centres, write_grid

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.render.render_task import RenderTask


def convert_constant(folder: Path, code: int) -> Path:
    """Convert a field of one code in ``folder``, in the place of one that is there; return the store."""
    source = folder / f"{code}.nc"
    write_grid(source, np.full((90, 180), code, "int16"), centres(90, -2.0, 90), centres(-180, 2.0, 180), fill=-1)
    convert(source, folder / "store", "d")
    return folder / "store"


def task_of(store: Path) -> RenderTask:
    layer = Store(store).layer("d")
    tms = layer.tile_matrix_set("WorldCRS84Quad")
    style = Styles(ColormapCatalog()).style(layer, "grey")
    return TileRequest(layer, style, (), tms, tms.matrix("0"), 0, 0, ImageFormat.PNG, PixelOptions()).task(store)


@pytest.fixture
def replaced_while_read(tmp_path, monkeypatch):
    """A task whose dataset is replaced once its chunks have been read."""
    task = task_of(convert_constant(tmp_path, 1))
    fetch = block_reader.fetch
    reads = []

    def read_and_replace(*arguments):
        filled = fetch(*arguments)
        if not reads:
            reads.append(convert_constant(tmp_path, 2))
        return filled

    monkeypatch.setattr(block_reader, "fetch", read_and_replace)
    return task


def test_a_dataset_that_is_replaced_before_it_is_read_is_not_read(tmp_path, monkeypatch):
    task = task_of(convert_constant(tmp_path, 1))
    convert_constant(tmp_path, 2)
    monkeypatch.setattr(block_reader, "fetch", lambda *_: pytest.fail("cells of another generation were read"))
    with pytest.raises(GenerationChangedError, match="d has been replaced"):
        render(task)


def test_a_dataset_that_is_replaced_while_it_is_read_gives_no_tile(replaced_while_read):
    with pytest.raises(GenerationChangedError, match="d has been replaced"):
        render(replaced_while_read)


def test_what_was_read_of_a_replaced_dataset_is_not_kept(replaced_while_read, tmp_path):
    with pytest.raises(GenerationChangedError):
        render(replaced_while_read)
    assert (render_values(task_of(tmp_path / "store")) == 2).all()
    with pytest.raises(GenerationChangedError):
        render_values(replaced_while_read)
