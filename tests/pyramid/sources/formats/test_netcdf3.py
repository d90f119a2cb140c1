"""The file length that a netCDF-3 header implies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import netCDF4
import numpy as np
import pytest

from lazytile.pyramid.sources.formats.netcdf3 import needed_bytes
from tests.shared import SHARED

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("record_variables", [0, 1, 2])
def test_the_last_byte_is_found(tmp_path: Path, kind: str, record_variables: int) -> None:
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.title = "three"
        file.createDimension("t", None)
        file.createDimension("x", 5)
        fixed = file.createVariable("fixed", "i2", ("x",))
        fixed.units = "m"
        fixed[:] = 1
        for number in range(record_variables):
            file.createVariable(f"r{number}", "i2", ("t", "x"))[:] = np.ones((3, 5))
    with path.open("rb") as opened:
        needed = needed_bytes(opened)
    # The library may pad the end to four bytes.
    assert 0 <= path.stat().st_size - needed < 4


def test_real_files_are_long_enough() -> None:
    files = [path for path in sorted(SHARED.glob("realdata/*")) if path.is_file() and path.read_bytes()[:3] == b"CDF"]
    if not files:
        pytest.skip("reference data is not beside the checkout: ../shared/realdata")
    for path in files:
        with path.open("rb") as opened:
            assert needed_bytes(opened) <= path.stat().st_size, path.name


def test_a_truncated_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 5)
        file.createVariable("fixed", "i2", ("x",))[:] = 1
    path.write_bytes(path.read_bytes()[:30])
    with path.open("rb") as opened, pytest.raises(ValueError, match="cut short"):
        needed_bytes(opened)
