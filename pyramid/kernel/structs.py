"""The structs of ``source/pixels.h`` as ctypes sees them, and filling them from tables.

A pointer is the address of an array's data, which ``Address`` finds: the processor's own memory (``host_address``) or a
copy of the array on a GPU. ``layout`` lists offsets and sizes, which the library is asked for when it is loaded.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.kernel.code_tables import BUCKETS, MAX_MISSING, MAX_STEPS
from lazytile.pyramid.resampling.method import Resampling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.kernel.code_tables import NoDataTable, OutputTable
    from lazytile.pyramid.kernel.position_tables import AxisTable, MeshTable

    Address = Callable[[NDArray[Any]], int]

METHODS = {
    Resampling.NEAREST: 0,
    Resampling.BILINEAR: 1,
    Resampling.CUBIC: 2,
    Resampling.AVERAGE: 3,
    Resampling.MODE: 4,
}
"""Numbers of the methods."""
_POINTER, _INT, _DOUBLE, _LONG = ctypes.c_void_p, ctypes.c_int32, ctypes.c_double, ctypes.c_int64


def _fields(*kinds: tuple[Any, str]) -> list[tuple[str, Any]]:
    return [(name, kind) for kind, names in kinds for name in names.split()]


class RunStruct(ctypes.Structure):
    """``Run``."""

    _fields_ = _fields((_INT, "first count cell is_contiguous"))


class AxisStruct(ctypes.Structure):
    """``Axis``."""

    _fields_ = _fields(
        (_POINTER, "index weight share cell run_of run"), (_INT, "pixels padded taps wanted runs unused")
    )


class MeshStruct(ctypes.Structure):
    """``Mesh``."""

    _fields_ = _fields(
        (_POINTER, "x y wide high slot"), (_INT, "width height rows cols wraps chunk_rows across unused")
    )


class NoDataStruct(ctypes.Structure):
    """``NoData``."""

    _fields_ = _fields(
        (_DOUBLE, "valid_min valid_max"),
        (_DOUBLE * MAX_MISSING, "missing_value"),
        (_INT, "low high"),
        (_INT * MAX_MISSING, "missing"),
        (_INT, "count unused"),
    )


class OutputStruct(ctypes.Structure):
    """``Output``."""

    _fields_ = _fields(
        (_POINTER, "exact between cuts slots start"),
        (_DOUBLE, "scale offset first per_bucket"),
        (_DOUBLE * MAX_STEPS, "operand"),
        (_INT * MAX_STEPS, "step"),
        (_INT, "steps cut_count buckets kind"),
    )


class JobStruct(ctypes.Structure):
    """``Job``."""

    _fields_ = _fields(
        (_POINTER, "rows cols mesh nodata output chunks out"),
        (_LONG, "stride"),
        (_INT, "type method chunk_cols cols_first"),
    )


STRUCTS: tuple[type[ctypes.Structure], ...] = (
    RunStruct,
    AxisStruct,
    MeshStruct,
    NoDataStruct,
    OutputStruct,
    JobStruct,
)


def layout() -> list[int]:
    """Return the offset of each field and then the size, of one struct after the other."""
    numbers: list[int] = []
    for struct in STRUCTS:
        numbers += [getattr(struct, name).offset for name, *_ in struct._fields_]
        numbers.append(ctypes.sizeof(struct))
    return numbers


def host_address(array: NDArray[Any]) -> int:
    """Return the address of an array's data in this process's memory.

    Args:
        array: C-contiguous; it has to outlive the use of the address.

    Returns:
        The address.
    """
    address: int = array.__array_interface__["data"][0]
    return address


def _addresses(arrays: Iterable[NDArray[Any] | None], address: Address) -> Iterator[int | None]:
    return (None if array is None else address(array) for array in arrays)


def axis_struct(table: AxisTable, address: Address) -> AxisStruct:
    """Return the struct of an axis.

    Args:
        table: The table.
        address: Finds the address of an array.

    Returns:
        The struct.
    """
    sizes = (table.pixels, table.padded, table.taps, table.wanted, table.runs, 0)
    return AxisStruct(*_addresses(table.arrays, address), *sizes)


def mesh_struct(table: MeshTable, address: Address) -> MeshStruct:
    """Return the struct of a mesh.

    Args:
        table: The table.
        address: Finds the address of an array.

    Returns:
        The struct.
    """
    sizes = (table.width, table.height, table.rows, table.cols, table.wraps, table.chunk_rows, table.across, 0)
    return MeshStruct(*_addresses(table.arrays, address), *sizes)


def nodata_struct(table: NoDataTable) -> NoDataStruct:
    """Return the struct of what is no data.

    Args:
        table: The table.

    Returns:
        The struct.
    """
    struct = NoDataStruct(valid_min=table.valid_min, valid_max=table.valid_max, low=table.low, high=table.high)
    struct.count = max(len(table.missing), len(table.missing_value))
    struct.missing[: len(table.missing)] = table.missing
    struct.missing_value[: len(table.missing_value)] = table.missing_value
    return struct


def output_struct(table: OutputTable, address: Address) -> OutputStruct:
    """Return the struct of what comes out.

    Args:
        table: The table.
        address: Finds the address of an array.

    Returns:
        The struct.
    """
    struct = OutputStruct(*_addresses(table.arrays, address))
    struct.scale, struct.offset = table.scale, table.offset
    struct.first, struct.per_bucket = table.first, table.per_bucket
    for at, (step, operand) in enumerate(table.steps):
        struct.step[at], struct.operand[at] = step, operand
    struct.steps, struct.kind = len(table.steps), table.kind
    struct.cut_count, struct.buckets = table.slots.size - 2, BUCKETS
    return struct
