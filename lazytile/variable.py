"""A variable of an opened dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lazytile.html import picture, table, text_table
from lazytile.readable import Readable

if TYPE_CHECKING:
    import xarray as xr

    from lazytile.pyramid.reading.view import LayerView
    from lazytile.pyramid.store import dataset as stored


class Variable(Readable):
    """A variable of a dataset, with the steps selected. ``dataset["name"]`` returns it."""

    def __init__(self, view: LayerView) -> None:
        """Look at a layer.

        Args:
            view: The layer and its steps.
        """
        self._layer_view = view

    def _view(self) -> LayerView:
        return self._layer_view

    @property
    def description(self) -> stored.Variable:
        """All that the store knows of it: packing, statistics, how the source was understood."""
        return self._layer_view.layer().variable

    @property
    def name(self) -> str:
        """Name in the dataset."""
        return self._layer_view.variable

    @property
    def layer_name(self) -> str:
        """Name that a server offers it by."""
        return self._layer_view.layer().name

    @property
    def title(self) -> str:
        """Title for people."""
        return self._layer_view.layer().title

    @property
    def units(self) -> str:
        """Units of the values; empty where the source states none."""
        return self.description.units

    @property
    def dimensions(self) -> dict[str, tuple[str, ...]]:
        """Labels along each dimension before rows and columns, by its name."""
        return {dimension.name: dimension.labels for dimension in self.description.dimensions}

    @property
    def times(self) -> tuple[str, ...]:
        """Labels of the times; none for a variable without."""
        time = self.description.time
        return () if time is None else time.labels

    @property
    def selected(self) -> dict[str, list[str]]:
        """Labels selected by ``sel``, by name of the dimension."""
        return self._layer_view.steps.texts(self.description)

    def sel(self, **selectors: Any) -> Variable:
        """Select steps by label.

        Args:
            selectors: For a dimension by name (``time`` for the time, whatever its name) a label, a time or a number,
                a slice of two with both ends included, or a list.

        Returns:
            The variable with these steps.

        Raises:
            InvalidParameterError: There is no such dimension or step.
        """
        return Variable(self._layer_view.select(selectors))

    def to_xarray(self, level: int = 0) -> xr.DataArray:
        """Return a level as an xarray object whose values are read when they are used.

        Args:
            level: 0 for the source's resolution; each further level halves it.

        Returns:
            A Dask array of float64 in physical units, NaN for no data, with coordinates.

        Raises:
            InvalidParameterError: There is no such level.
            StoreError: The dataset is gone or damaged.
        """
        from lazytile.pyramid.reading.level import level_dataset  # noqa: PLC0415 - imports xarray

        view = self._layer_view
        return level_dataset(view.store, view.dataset, (view.variable,), view.steps, level)[view.variable]

    def __repr__(self) -> str:
        return text_table(f"lazytile.Variable {self._layer_view.dataset}.{self.name}", self._rows)

    def _repr_html_(self) -> str:
        return table(f"{self._layer_view.dataset}.{self.name}", self._rows, picture(lambda: self.tile(0, 0, 0).png))

    def _rows(self) -> list[tuple[str, str]]:
        found = self.description
        statistics, selected = found.statistics, self.selected
        rows = [("title", self.title), ("units", found.units or "none stated")]
        for dimension in found.dimensions:
            labels = selected.get(dimension.name, list(dimension.labels))
            ends = labels[0] if len(labels) == 1 else f"{len(labels)} from {labels[0]} to {labels[-1]}"
            rows.append((dimension.name, f"{ends}{' (selected)' if dimension.name in selected else ''}"))
        if statistics is not None and statistics.minimum is not None:
            rows.append(("values", f"{statistics.minimum:g} to {statistics.maximum:g}"))
        return rows
