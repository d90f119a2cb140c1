"""The description of a stored dataset, which the converter writes and everything else reads.

On disk a dataset is the Zarr v3 group ``STORE/NAME.zarr``. Its attributes hold the GeoZarr conventions for other
readers and, under ``lazytile``, the JSON of ``Dataset.to_json``; ``geozarr`` writes both. Level k is the group ``k`` in
it, with one array ``k/VARIABLE`` per variable, shape (*dimensions, rows, cols), and coordinate arrays. This module
opens no data.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.chunks.checksum import crc32
from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError
from lazytile.pyramid.core.finding import Finding
from lazytile.pyramid.core.grid import Grid, RegularAxis, Shape
from lazytile.pyramid.core.json_text import json_values
from lazytile.pyramid.core.packing import Packing

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 3
NEWEST_FORMAT = 4
"""Version of the description, and that of one with a field of ``_NEWER``. Higher ones are refused, lower ones read."""
_NEWER = ("linked", "shard_steps")
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""Names of datasets: no dots (layers are DATASET.VARIABLE), nothing that could be part of a path."""
SUFFIX = ".zarr"
CHECKSUM = "checksum"
"""Key of the description's checksum in the description as it is stored."""
REDUCTIONS = frozenset({"mean", "nearest", "mode", "min", "max"})


@dataclass(frozen=True, slots=True)
class Dimension:
    """A non-spatial dimension with one label for each index along it."""

    name: str
    """As the source spells it, such as ``time`` or ``level``."""
    kind: str
    """``time`` (labels are ISO 8601 instants, UTC, ascending) or ``other``."""
    labels: tuple[str, ...]
    units: str = ""
    standard_name: str = ""
    positive: str = ""  # ``up`` or ``down`` (CF 4.3)

    def __post_init__(self) -> None:
        if self.kind not in {"time", "other"}:
            raise StoreError(f"a dimension is of kind time or other, not {self.kind!r}")
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise StoreError(f"dimension {self.name} needs unique labels, at least one")


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of a variable's values (physical units). Minimum, maximum and mean are None without data."""

    minimum: float | None
    maximum: float | None
    mean: float | None
    valid_count: int
    cell_count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of values in adjacent bins of equal width."""

    first_edge: float
    """Lower end of the first bin, physical units."""
    width: float
    """Of a bin, physical units."""
    counts: tuple[int, ...]
    """Cells in each bin, ascending."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a dataset, which map protocols offer as a layer."""

    name: str
    dimensions: tuple[Dimension, ...]
    """Leading dimensions in the order of the array's axes; rows and columns follow."""
    packing: Packing
    reduction: str = "mean"  # of finer levels to overviews, one of ``REDUCTIONS``
    title: str = ""
    units: str = ""
    standard_name: str = ""
    colormap: str | None = None
    """Name of the colormap chosen at conversion; None: one is found by name, units and range."""
    statistics: Statistics | None = None
    """Of level 0."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """The source's attributes as JSON values (flag_values, flag_meanings, long_name, ...)."""
    level_statistics: tuple[Statistics, ...] = ()
    """Of each level that is stored whole, level 0 first; empty where they are unknown."""
    histogram: Histogram | None = None
    """Of level 0."""
    first_range: tuple[float, float] | None = None
    """Range of the values before steps were appended or replaced, or of a sample of them; None where neither is so."""
    generations: tuple[tuple[str, int], ...] = ()
    """Generation of the content of each time step, as (generation, number of steps) in order; of a variable without
    times, of the whole. Empty where all of it has the dataset's."""
    understanding: tuple[Finding, ...] = ()
    """How the source was understood; empty where the conversion did not record it."""

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise StoreError(f"reduction {self.reduction!r} is not one of {', '.join(sorted(REDUCTIONS))}")

    @property
    def is_classes(self) -> bool:
        """Whether the codes name classes, so that values must never be averaged."""
        return self.reduction == "mode"

    @property
    def style_range(self) -> tuple[float | None, float | None]:
        """Minimum and maximum that styles use. Appended steps do not change them, nor the colours."""
        if self.first_range is not None:
            return self.first_range
        return (None, None) if self.statistics is None else (self.statistics.minimum, self.statistics.maximum)

    @property
    def time_axis(self) -> int | None:
        """Position of time among the leading dimensions."""
        return next((at for at, dimension in enumerate(self.dimensions) if dimension.kind == "time"), None)

    def step_generations(self, generation: str) -> list[str]:
        """Return the generation of each time step, of a variable without times one for the whole.

        Args:
            generation: Of the dataset.

        Returns:
            The generations.
        """
        steps = 1 if self.time is None else len(self.time.labels)
        return [each for each, count in self.generations or ((generation, steps),) for _ in range(count)]

    @property
    def time(self) -> Dimension | None:
        """The time dimension, if there is one."""
        return next((dimension for dimension in self.dimensions if dimension.kind == "time"), None)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One converted source: variables on one grid, at several levels."""

    name: str
    generation: str
    """Changes with the content; part of every cache key and ETag."""
    grid: Grid
    """Of level 0."""
    levels: int
    chunk: Shape
    """Cells of a chunk in rows and columns, the same at every level; other axes have chunks of 1."""
    variables: tuple[Variable, ...]
    title: str = ""
    source: str = ""
    """File name of the source, without its folder."""
    codec: str = ""
    """Compression of chunks, as ``convert --codec`` takes it; empty in format 1."""
    shard: int = 0
    """Chunks along a side of the square that one file holds; 0: each has its own file."""
    lazy: bool = False
    """Whether overview chunks are computed on first read: then one without a file does not exist yet."""
    checked: bool = False
    """Whether every plane has a table of its chunks and their checksums, by which readers tell a missing chunk from an
    empty one; not in formats 1 and 2."""
    remarks: tuple[str, ...] = ()
    """What the conversion left out, corrected or found contradictory, one line each."""
    linked: int = 0
    """Levels that lie in the source, from level 0 on; only the others are stored."""
    shard_steps: tuple[int, ...] = ()
    """Time steps that one file holds, at each level; empty where no file holds several."""

    def __post_init__(self) -> None:
        if self.levels < 1 or not self.variables:
            raise StoreError(f"dataset {self.name} needs a level and a variable")

    def variable(self, name: str) -> Variable:
        """Return a variable by name.

        Args:
            name: Of the variable.

        Returns:
            The variable.

        Raises:
            DatasetNotFoundError: The dataset has no such variable.
        """
        for variable in self.variables:
            if variable.name == name:
                return variable
        known = ", ".join(variable.name for variable in self.variables)
        raise DatasetNotFoundError(f"dataset {self.name} has no variable {name!r}, it has {known}")

    def content_generation(self, variables: Iterable[str], dim_index: tuple[int, ...]) -> str:
        """Return the generation of one step's content, which is part of the key of all that is derived from it.

        It changes with the content of that step, and stays when other steps are appended or replaced.

        Args:
            variables: Names of the variables.
            dim_index: Index along each leading dimension.

        Returns:
            The distinct generations of the variables, joined by ``+``.

        Raises:
            DatasetNotFoundError: There is no such variable or step.
        """
        found: dict[str, None] = {}
        for name in variables:
            variable = self.variable(name)
            if not variable.generations:
                found[self.generation] = None
                continue
            axis = variable.time_axis
            step = 0 if axis is None or axis >= len(dim_index) else dim_index[axis]
            for generation, count in variable.generations:
                if step < count:
                    found[generation] = None
                    break
                step -= count
            else:
                raise DatasetNotFoundError(f"variable {name} of dataset {self.name} has no step {dim_index}")
        return "+".join(found)

    def live_generations(self) -> frozenset[str]:
        """Return the generations that some content of the dataset still has."""
        return frozenset(each for one in self.variables for each, _ in one.generations or ((self.generation, 1),))

    def layer_name(self, variable: Variable) -> str:
        """Return the name of a variable's layer.

        Args:
            variable: Of the dataset.

        Returns:
            The dataset's name where it has one variable, else ``DATASET.VARIABLE``.
        """
        return self.name if len(self.variables) == 1 else f"{self.name}.{variable.name}"

    def to_json(self) -> dict[str, Any]:
        """Return the description as JSON values; ``from_json`` is the inverse."""
        document: dict[str, Any] = {"format": FORMAT, **json_values(self)}
        for name in (name for name in _NEWER if not document[name]):
            del document[name]  # as earlier versions have it, and below
        document["format"] = _format_of(document)
        for dimension in (each for variable in document["variables"] for each in variable["dimensions"]):
            for name in {"standard_name", "positive"} & {key for key, value in dimension.items() if not value}:
                del dimension[name]
        return document

    def to_stored_json(self) -> dict[str, Any]:
        """Return the description as it is stored: with a checksum, which ``from_json`` compares."""
        document = self.to_json()
        return {**document, CHECKSUM: _checksum(document)}

    @classmethod
    def from_json(cls, document: Any) -> Dataset:
        """Build a description from JSON values.

        Args:
            document: As ``to_json`` returns it.

        Returns:
            The description.

        Raises:
            StoreError: The document has another form or a newer format, or was changed.
        """
        try:
            if document["format"] > (newest := _format_of(document)):
                raise StoreError(f"dataset format {document['format']} is newer than this version's {newest}")
            if document.get(CHECKSUM, None) not in (None, _checksum(document)):
                raise StoreError(
                    f"the description differs from its checksum; if you edited it, remove {CHECKSUM!r} from it"
                )
            fields = {key: value for key, value in document.items() if key not in ("format", CHECKSUM)}
            grid = fields["grid"]
            fields["grid"] = Grid(grid["crs"], RegularAxis(**grid["x"]), RegularAxis(**grid["y"]))
            fields["chunk"] = Shape(**fields["chunk"])
            fields["variables"] = tuple(_variable(variable) for variable in fields["variables"])
            fields |= {name: tuple(fields.get(name, ())) for name in ("remarks", "shard_steps")}
            return cls(**fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"not a dataset description: {type(error).__name__}: {error}") from error


def _format_of(document: dict[str, Any]) -> int:
    return NEWEST_FORMAT if any(document.get(name) for name in _NEWER) else FORMAT


def _checksum(document: dict[str, Any]) -> int:
    """Return the CRC-32 of a description in one spelling of its JSON."""
    values = {key: value for key, value in document.items() if key != CHECKSUM}
    return crc32(json.dumps(values, sort_keys=True, separators=(",", ":")).encode())


def _variable(document: dict[str, Any]) -> Variable:
    fields = dict(document)
    fields["dimensions"] = tuple(
        Dimension(**{**dimension, "labels": tuple(dimension["labels"])}) for dimension in fields["dimensions"]
    )
    fields["packing"] = Packing(**{**fields["packing"], "missing": tuple(fields["packing"]["missing"])})
    if fields["statistics"] is not None:
        fields["statistics"] = Statistics(**fields["statistics"])
    fields["level_statistics"] = tuple(Statistics(**each) for each in fields.get("level_statistics", ()))
    if (histogram := fields.get("histogram")) is not None:
        fields["histogram"] = Histogram(**{**histogram, "counts": tuple(histogram["counts"])})
    if fields.get("first_range") is not None:
        fields["first_range"] = tuple(fields["first_range"])
    fields["generations"] = tuple((str(each), int(count)) for each, count in fields.get("generations", ()))
    fields["understanding"] = tuple(Finding(**each) for each in fields.get("understanding", ()))
    return Variable(**fields)
