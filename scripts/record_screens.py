"""Record what people read: the help of every command, and typical errors, as text in ``tests/recorded``.

``python scripts/record_screens.py`` writes the files, ``tests/test_screens.py`` compares. A change of a screen is thus
seen and read before it is committed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer
import xarray as xr
from build_docs import helps as helps_below

from lazytile.service.cli.main import app, run

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "recorded"
COLUMNS = "100"
KERNEL = "lazytile.pyramid.kernel.selection"
"""Names the warning of a checkout whose native kernel is not built, which says nothing about the command."""
OTHERS = ("asyncio", "distributed", "fsspec", "tornado", "urllib3")
"""Libraries whose log depends on how busy the machine is ("event loop was unresponsive"), not on the command."""
ERRORS = (
    "convert",
    "convert missing.nc",
    "convert text.nc",
    "convert empty.nc",
    "convert point.nc",
    "convert field.nc --name a/b",
    "convert field.nc --name ../out",
    "convert field.nc --var none",
    "convert field.nc --codec zip",
    "convert field.nc --crs nothing",
    "convert ftp://host/file.nc",
    "convert http://127.0.0.1:9/file.nc",
    "append field.nc none",
    "append other.nc taken",
    "remove none",
    "verify none",
    "info none.nc",
    "serve --port 99999",
    "serve --engine gpu",
    "serve --engine tcp://127.0.0.1:9 --timeout 1",
    "serve --store none",
    "serve --colour red",
    "mrf none out",
    "mrf taken out --time yesterday",
    "mrf verify field.nc",
    "export taken out --to gif",
    "warm none --zoom 0-1",
    "warm taken --zoom 3-1",
    "colormap show none",
    "nothing",
)


@contextlib.contextmanager
def place() -> Iterator[None]:
    """Work in a folder that holds a small field, files of other kinds, and a store with the dataset ``taken``."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            field(18).to_netcdf("field.nc")
            field(9).to_netcdf("other.nc")
            xr.Dataset({"a": ((), 1.0)}).to_netcdf("point.nc")
            Path("text.nc").write_text("no netCDF")
            Path("empty.nc").touch()
            with captured() as _:
                assert run(["convert", "field.nc", "--name", "taken"]) == 0
            yield
        finally:
            os.chdir(before)


def field(rows: int) -> xr.Dataset:
    """Return a global field of two days."""
    step = 180 / rows
    coordinates = {
        "time": ("time", np.arange(2), {"units": "days since 2024-01-01"}),
        "lat": ("lat", 90 - step / 2 - step * np.arange(rows), {"units": "degrees_north"}),
        "lon": ("lon", -180 + step / 2 + step * np.arange(2 * rows), {"units": "degrees_east"}),
    }
    values = np.arange(2 * rows * 2 * rows, dtype="float32").reshape(2, rows, 2 * rows)
    return xr.Dataset({"t": (("time", "lat", "lon"), values, {"units": "K"})}, coordinates)


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    """Collect what is written to standard output and standard error."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        yield text


def errors() -> str:
    """Return each command that is wrong, what it says and its exit code."""
    parts = []
    for name in OTHERS:
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())
    with place():
        for line in ERRORS:
            with captured() as text:
                try:
                    code: object = run(line.split())
                except SystemExit as stop:
                    code = stop.code
            lines = (line for line in text.getvalue().splitlines() if KERNEL not in line)
            said = "\n".join(lines).replace(str(Path.cwd()), ".").rstrip()
            parts.append(f"$ lazytile {line}\n{said}\n[exit code {code}]\n")
    return "\n".join(parts)


def helps() -> str:
    """Return the help of every command."""
    command = typer.main.get_command(app)
    return "\n".join(
        f"$ {' '.join(names)} --help\n{text.rstrip()}\n" for names, text in helps_below(command, ("lazytile",))
    )


def main() -> None:
    """Write both files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in recorded().items():
        (FOLDER / name).write_text(text)
        print(FOLDER / name)


def recorded() -> dict[str, str]:
    """Return the content of each file by its name."""
    # Without the native kernel: where it is not built, a warning would be recorded.
    os.environ |= {"COLUMNS": COLUMNS, "TERM": "dumb", "LAZYTILE_KERNEL": "numpy"}
    return {"help.txt": helps(), "errors.txt": errors()}


if __name__ == "__main__":
    main()
