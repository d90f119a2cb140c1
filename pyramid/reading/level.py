"""A level of a dataset as an xarray object whose values are read when they are used, chunk by chunk.

The chunks come from the store's own reader: checked against their checksums, and overviews of a lazy dataset are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import GenerationChangedError, InvalidParameterError
from lazytile.pyramid.storage.metadata_copy import local_metadata
from lazytile.pyramid.store.geozarr import CRS_VARIABLE, axis_names, variable_attributes
from lazytile.pyramid.store.layout import level_shape
from lazytile.pyramid.store.store import store_at
from lazytile.pyramid.times.lookup import instants_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from lazytile.pyramid.reading.steps import StepSelection
    from lazytile.pyramid.store.dataset import Dimension, Variable
    from lazytile.pyramid.store.store import Store, StoredDataset

_PACKING = ("scale_factor", "add_offset", "_FillValue", "missing_value", "grid_mapping")

_FIELD = "level"
"""The argument that errors name."""


def level_dataset(store: Store, name: str, variables: tuple[str, ...], steps: StepSelection, level: int) -> xr.Dataset:
    """Return variables of a level.

    Args:
        store: The store.
        name: Of the dataset.
        variables: Names of the variables.
        steps: What is selected of them.
        level: 0 for the source's resolution; each further level halves it.

    Returns:
        The variables, float64 in physical units with NaN for no data, as Dask arrays of one chunk of the store each;
        with the coordinates of the level, and its CRS in the coordinate ``crs``.

    Raises:
        InvalidParameterError: There is no such level or step.
        StoreError: The dataset is gone or damaged.
    """
    import xarray as xr  # noqa: PLC0415 - takes half a second to import; tiles do not need it

    stored = store.dataset(name)
    description = stored.description
    if not 0 <= level < description.levels:
        raise InvalidParameterError(
            _FIELD, f"{_FIELD} {level} is out of range, it may be 0 to {description.levels - 1}"
        )
    names = [variable.name for variable in description.variables]
    with (
        local_metadata(stored.path, (level,), names) as folder,
        xr.open_dataset(
            folder,
            engine="zarr",
            group=str(level),
            consolidated=False,
            decode_coords="all",
            drop_variables=names,
        ) as found,
    ):
        coordinates = found.load()
    if CRS_VARIABLE in coordinates.data_vars:
        coordinates = coordinates.set_coords(CRS_VARIABLE)
    chosen = [description.variable(each) for each in variables]
    indices = {
        dimension.name: (picks, steps.is_single(dimension))
        for variable in chosen
        for dimension, picks in zip(variable.dimensions, steps.indices(variable), strict=True)
    }
    for dimension in [each for variable in chosen for each in variable.dimensions]:
        if dimension.name not in coordinates.dims:
            coordinates = coordinates.assign_coords({dimension.name: _labels(dimension)})
    for along, (picks, is_single) in indices.items():
        coordinates = coordinates.isel({along: picks[0] if is_single else list(picks)})
    unused = [str(each) for each in coordinates.coords if not set(coordinates[each].dims) <= _dims(stored, chosen)]
    arrays = {variable.name: _array(stored, store, variable, steps, level) for variable in chosen}
    title = {"title": description.title} if description.title else {}
    return xr.Dataset(arrays, coordinates.drop_vars(unused).coords, title)


def _dims(stored: StoredDataset, variables: list[Variable]) -> set[object]:
    names = {dimension.name for variable in variables for dimension in variable.dimensions}
    return {*names, *axis_names(stored.description.grid)}


def _labels(dimension: Dimension) -> NDArray[Any]:
    """Return the labels of a dimension whose coordinate the store does not have."""
    instants = instants_of(dimension.labels) if dimension.kind == "time" else None
    if instants is None:
        return np.array(dimension.labels)
    return np.array([each.replace(tzinfo=None) for each in instants], "datetime64[us]")


def _array(stored: StoredDataset, store: Store, variable: Variable, steps: StepSelection, level: int) -> xr.Variable:
    import dask.array as da  # noqa: PLC0415 - as above
    import xarray as xr  # noqa: PLC0415 - as above

    description = stored.description
    shape, chunk = level_shape(description.grid.shape, level), description.chunk
    picks = steps.indices(variable)
    sizes = (
        *((1,) * len(each) for each in picks),
        _cuts(shape.rows, chunk.rows),
        _cuts(shape.cols, chunk.cols),
    )
    map_blocks: Any = da.map_blocks  # untyped
    values = map_blocks(
        _Chunks(str(store.folder.resolve()), description.name, description.generation, variable.name, level, picks),
        chunks=sizes,
        dtype=np.float64,
        meta=np.empty((0,) * len(sizes)),
        shape_of=(sizes[-2], sizes[-1]),
    )
    names = [dimension.name for dimension in variable.dimensions]
    attributes = {key: value for key, value in variable_attributes(variable).items() if key not in _PACKING}
    found = xr.Variable([*names, *axis_names(description.grid)], values, attributes, {"grid_mapping": CRS_VARIABLE})
    return found.isel({dimension.name: 0 for dimension in variable.dimensions if steps.is_single(dimension)})


def _cuts(length: int, size: int) -> tuple[int, ...]:
    return tuple(min(size, length - start) for start in range(0, length, size))


class _Chunks:
    """Reads one block of an array: a chunk of the store. Picklable, so that a cluster's workers read themselves."""

    def __init__(  # noqa: PLR0917 - what identifies an array
        self, folder: str, dataset: str, generation: str, variable: str, level: int, picks: tuple[tuple[int, ...], ...]
    ) -> None:
        self._folder, self._dataset, self._generation = folder, dataset, generation
        self._variable, self._level, self._picks = variable, level, picks

    def __dask_tokenize__(self) -> object:
        return (self._folder, self._dataset, self._generation, self._variable, self._level, self._picks)

    def __call__(
        self, *, shape_of: tuple[tuple[int, ...], tuple[int, ...]], block_id: tuple[int, ...]
    ) -> NDArray[np.float64]:
        stored = store_at(self._folder).dataset(self._dataset)
        if stored.description.generation != self._generation:
            raise GenerationChangedError(f"dataset {self._dataset} has been replaced; open it again")
        *leading, row, col = block_id
        index = tuple(picks[at] for picks, at in zip(self._picks, leading, strict=True))
        codes = stored.chunk(self._level, self._variable, index, row, col)[: shape_of[0][row], : shape_of[1][col]]
        values = stored.description.variable(self._variable).packing.decode(codes)
        return np.asarray(values, np.float64).reshape((1,) * len(leading) + codes.shape)
