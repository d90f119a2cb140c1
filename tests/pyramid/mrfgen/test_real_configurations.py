"""OnEarth's configurations of mrfgen run on pictures of their kind and give the picture of mrfgen's own commands."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np
import pytest
import rasterio

from lazytile.pyramid.mrf.check import inspect_mrf
from lazytile.service.cli import main
from tests.pyramid.mrfgen import gdal_steps, inputs
from tests.pyramid.mrfgen.configurations import CONFIGURATIONS, Configuration

if TYPE_CHECKING:
    from pathlib import Path


MISSING = gdal_steps.missing()
QUICK = ("2b", "7a", "9", "18")
"""Run with every test: polar JPEG, colours to a palette in Web Mercator, the antimeridian, a palette VRT."""
LOSSY = ("JPEG", "JPNG", "ZEN")


def write(configuration: Configuration, folder: Path, existing: Path | None = None) -> tuple[Path, list[Path]]:
    """Write a configuration and its pictures; return its path and theirs."""
    (folder / "in").mkdir(parents=True)
    pictures = [
        inputs.make(kind, folder / "in" / f"picture-{number}", number)
        for number, kind in enumerate(configuration.pictures)
    ]
    texts = {
        "date_of_data": "20151202",
        "parameter_name": "P",
        "output_dir": str(folder / "out"),
        **configuration.texts,
    }
    texts["mrf_empty_tile_filename"] = "Blank_RGBA_512.png"
    files = [] if existing is None else [existing]
    if configuration.is_folder:
        texts["input_dir"] = str(folder / "in")
    else:
        files += pictures
    if configuration.colormap:
        (folder / "map.xml").write_text(inputs.COLORMAP)
        texts["colormap"] = str(folder / "map.xml")
    body = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts.items())
    listed = "".join(f"<file>{escape(str(file))}</file>" for file in files)
    path = folder / "config.xml"
    path.write_text(f"<mrfgen_configuration>{body}<input_files>{listed}</input_files></mrfgen_configuration>")
    return path, pictures


def level(path: str, number: int) -> np.ndarray:
    """The colours of a level, shape (rows, cols, 3), and black where it is transparent."""
    options = {} if number == 0 else {"OVERVIEW_LEVEL": str(number - 1)}
    with rasterio.open(path, **options) as file:
        pixels = np.moveaxis(file.read(), 0, -1)
        if file.colorinterp[0].name == "palette":
            table = file.colormap(1)
            colours = np.array([table.get(index, (0, 0, 0, 0)) for index in range(256)], np.uint8)
            pixels = colours[pixels[..., 0]]
    if pixels.shape[2] == 4:
        return np.where(pixels[..., 3:] > 0, pixels[..., :3], 0).astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def made(configuration: Configuration, folder: Path, existing: Path | None = None) -> tuple[Path, list[Path]]:
    config, pictures = write(configuration, folder, existing)
    assert main.run(["mrf", "from-mrfgen", str(config), "--store", str(folder / "none")]) == 0
    mrf = existing or next((folder / "out").glob("*.mrf"))
    assert not inspect_mrf(mrf, decode=True).problems
    return mrf, pictures


def differences(configuration: Configuration, ours: str, reference: Path) -> list[tuple[float, float]]:
    """Share of pixels that differ, and mean difference, of each level that both have."""
    with rasterio.open(ours) as mine, rasterio.open(reference) as theirs:
        assert (mine.width, mine.height) == (theirs.width, theirs.height)
        assert np.allclose(mine.bounds, theirs.bounds, rtol=1e-9)
        assert mine.crs == theirs.crs
        levels = 1 + min(len(mine.overviews(1)), len(theirs.overviews(1)), 3)
    found = []
    for number in range(levels):
        first, second = level(ours, number).astype(int), level(str(reference), number).astype(int)
        if first.shape != second.shape:
            continue
        difference = np.abs(first - second)
        found.append((float((difference.max(axis=2) > 0).mean()), float(difference.mean())))
    return found


@pytest.mark.skipif(bool(MISSING), reason=f"GDAL's {MISSING} is not installed (apt-get install gdal-bin)")
@pytest.mark.parametrize(
    "name",
    [
        each.name if each.name in QUICK else pytest.param(each.name, marks=pytest.mark.slow)
        for each in CONFIGURATIONS
        if not each.updates and each.pictures
    ],
)
def test_the_picture_is_that_of_mrfgens_own_commands(tmp_path, name):
    configuration = next(each for each in CONFIGURATIONS if each.name == name)
    mrf, pictures = made(configuration, tmp_path)
    (tmp_path / "gdal").mkdir()
    palette = inputs.PALETTE if configuration.colormap else []
    reference = gdal_steps.reference(configuration.texts, pictures, tmp_path / "gdal", palette)
    found = differences(configuration, str(mrf), reference)
    assert level(str(mrf), 0).any()
    if configuration.texts["mrf_compression_type"] in LOSSY:
        assert max(mean for _, mean in found) < 2.0, found
    else:
        assert max(share for share, _ in found) < 0.01, found


def test_slices_are_filled_one_by_one(tmp_path):
    """4a makes an MRF of three empty slices, 4b to 4d lay pictures on one each."""
    by_name = {each.name: each for each in CONFIGURATIONS}
    mrf, _ = made(by_name["4a"], tmp_path / "4a")
    assert not level(f"{mrf}:MRF:Z0", 0).any()
    shown = []
    for z, name in enumerate(("4b", "4c", "4d")):
        configuration = by_name[name]
        made(configuration, tmp_path / name, mrf)
        shown.append(level(f"{mrf}:MRF:Z{z}", 0))
        assert shown[-1].any()
        for other in range(z):
            assert np.array_equal(level(f"{mrf}:MRF:Z{other}", 0), shown[other]), "other slices stay as they are"
        for empty in range(z + 1, 3):
            assert not level(f"{mrf}:MRF:Z{empty}", 0).any()
    colours = {tuple(colour) for colour in shown[0].reshape(-1, 3).tolist()}
    assert colours <= {colour[:3] for colour in inputs.PALETTE}, "mrf_overwrite_colormap replaces the pictures' palette"
