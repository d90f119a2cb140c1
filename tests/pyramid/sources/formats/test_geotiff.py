"""GeoTIFF files against rasterio, at positions on the Earth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from tests.shared import shared

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra geotiff)")

if TYPE_CHECKING:
    from pathlib import Path

# File, range of valid values that the data's README states, how overviews are made.
REAL = [
    ("OPERA_L3_DSWx-HLS_T48SUE_20190302T034350Z_20230131T222341Z_L8_30_v0.0_BROWSE.tiff", (0, 9), "mode"),
    ("VNS_L6D_AEDB_v1_NRT_2019270_020600.tiff", (3, 198), "mode"),
    ("AERDT_L2_VIIRS_NOAA20.A2018092.0336.002.2023336195635.angexp.tiff", (1, 125), "mode"),
    ("lc.tif", (0, 95), "mode"),
    ("above_cog.tif", (1, 10), "mean"),
    ("cog_with_nan.tif", (-132.749, 599.036), "mean"),
    ("cog_scale.tif", (-894 * 0.0001 + 1000, 13413 * 0.0001 + 1000), "mean"),
    ("cog_dateline.tif", (1, 63014), "mean"),
    ("hef_srtm.tif", (1052, 3727), "mean"),
]


@pytest.mark.parametrize(("file", "limits", "reduction"), REAL)
def test_every_place_has_the_number_that_rasterio_has_there(
    tmp_path: Path, file: str, limits: tuple[float, float], reduction: str
) -> None:
    source = shared("realdata", file)
    dataset = convert(source, tmp_path, "d")
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")
    with rasterio.open(source) as opened:
        bands = opened.read()
        rng = np.random.default_rng(3)
        points = [
            opened.xy(int(row), int(col))
            for row, col in zip(rng.integers(0, opened.height, 50), rng.integers(0, opened.width, 50), strict=True)
        ]
        sampled = np.array(list(opened.sample(points)))
        bounds, nodata = opened.bounds, opened.nodata
    arrays = [stored[f"0/{variable.name}"][...] for variable in dataset.variables]
    ours = arrays[0] if arrays[0].ndim == 3 else np.stack(arrays)
    np.testing.assert_array_equal(ours, bands)
    rows = dataset.grid.rows_of(np.array([y for _, y in points]))
    cols = dataset.grid.cols_of(np.array([x for x, _ in points]))
    np.testing.assert_array_equal(ours[:, rows, cols], sampled.T)
    grid = dataset.grid.bounds
    np.testing.assert_allclose([grid.west, grid.south, grid.east, grid.north], bounds, rtol=1e-12)
    variable = dataset.variables[0]
    assert variable.reduction == reduction
    assert variable.statistics is not None
    assert (variable.statistics.minimum, variable.statistics.maximum) == pytest.approx(limits, rel=1e-5)
    if nodata is not None and np.isfinite(nodata):
        assert variable.packing.missing == (nodata,)


def test_each_band_keeps_its_own_scale(tmp_path: Path) -> None:
    dataset = convert(shared("realdata", "cog_scale.tif"), tmp_path, "d")
    assert [(v.packing.scale_factor, v.packing.add_offset) for v in dataset.variables] == [
        (0.0001, 1000.0),
        (0.001, 2000.0),
    ]


def test_bands_of_one_kind_are_steps(tmp_path: Path) -> None:
    dataset = convert(shared("realdata", "above_cog.tif"), tmp_path, "d")
    (dimension,) = dataset.variables[0].dimensions
    assert (dimension.name, dimension.labels[0], len(dimension.labels)) == ("band", "1", 31)


def test_a_palette_becomes_classes_with_colours(tmp_path: Path) -> None:
    path = shared("realdata", "VNS_L6D_AEDB_v1_NRT_2019270_020600.tiff")
    attributes = convert(path, tmp_path, "d").variables[0].attributes
    colours = dict(zip(attributes["flag_values"], attributes["flag_colors"].split(), strict=True))
    assert 0 not in colours, "the transparent entry is no class"
    with rasterio.open(path) as opened:
        palette = opened.colormap(1)
    assert colours[1] == "#7a8f02"
    assert all(palette[code][:3] == tuple(bytes.fromhex(colour[1:])) for code, colour in colours.items())


def test_longitudes_continue_past_the_antimeridian(tmp_path: Path) -> None:
    path = shared("realdata", "AERDT_L2_VIIRS_NOAA20.A2018092.0336.002.2023336195635.angexp.tiff")
    grid = convert(path, tmp_path, "d").grid
    assert grid.bounds.east == pytest.approx(214.0312576, abs=1e-6)
    assert grid.cols_of(np.array([-150.0]))[0] == grid.cols_of(np.array([210.0]))[0] > 0


def write(path: Path, codes: np.ndarray, **options: object) -> Path:
    transform = rasterio.Affine(0.5, 0, 10, 0, -0.5, 50)
    profile = {"crs": "EPSG:4326", "transform": transform, **options}
    count, height, width = codes.shape
    with rasterio.open(path, "w", "GTiff", width, height, count, dtype=codes.dtype, **profile) as file:
        file.write(codes)
    return path


def test_red_green_and_blue_are_variables(tmp_path: Path) -> None:
    codes = np.arange(3 * 20 * 30, dtype="uint8").reshape(3, 20, 30)
    write(tmp_path / "in.tif", codes, photometric="RGB")
    dataset = convert(tmp_path / "in.tif", tmp_path)
    assert [variable.name for variable in dataset.variables] == ["red", "green", "blue"]
    stored = zarr.open_group(tmp_path / "in.zarr", mode="r")
    np.testing.assert_array_equal(np.stack([stored[f"0/{v.name}"][...] for v in dataset.variables]), codes)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        *((kind, dtype) for kind in ("inside", "beside") for dtype in ("uint8", "int8", "uint16", "float32")),
        # Alpha of other types is a band like others, to GDAL too.
        *((kind, dtype) for kind in ("alpha", "colours and alpha") for dtype in ("uint8", "uint16")),
    ],
)
def test_masked_cells_are_no_data(tmp_path: Path, kind: str, dtype: str) -> None:
    codes = np.random.default_rng(5).integers(0, 127, (3, 20, 30)).astype(dtype)
    shown = np.random.default_rng(6).random((20, 30)) > 0.4
    alpha = (shown * (255 if dtype == "uint8" else 127)).astype(dtype)
    if kind == "colours and alpha":
        write(tmp_path / "in.tif", np.stack([*codes, alpha]), photometric="RGB", alpha="YES")
        names = ["red", "green", "blue"]
    else:
        bands = [codes[0], alpha] if kind == "alpha" else [codes[0]]
        write(tmp_path / "in.tif", np.stack(bands), **({"alpha": "YES"} if kind == "alpha" else {}))
        names = ["band_1"]
        if kind != "alpha":
            with (
                rasterio.Env(GDAL_TIFF_INTERNAL_MASK=kind == "inside"),
                rasterio.open(tmp_path / "in.tif", "r+") as file,
            ):
                file.write_mask(shown)
    dataset = convert(tmp_path / "in.tif", tmp_path, "d")
    assert [variable.name for variable in dataset.variables] == names
    with xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
        for name, band in zip(names, codes, strict=False):
            expected = np.where(shown, band.astype("f8"), np.nan)
            np.testing.assert_array_equal(stored[name].values, expected)
            statistics = dataset.variable(name).statistics
            assert statistics is not None
            assert statistics.valid_count == shown.sum()


def test_a_no_data_code_needs_no_mask(tmp_path: Path) -> None:
    write(tmp_path / "in.tif", np.arange(600, dtype="uint16").reshape(1, 20, 30), nodata=7)
    packing = convert(tmp_path / "in.tif", tmp_path, "d").variables[0].packing
    assert (packing.dtype, packing.missing) == ("uint16", (7,))


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
def test_complex_numbers_are_refused(tmp_path: Path, dtype: str) -> None:
    profile = {"crs": "EPSG:4326", "transform": rasterio.Affine(0.5, 0, 10, 0, -0.5, 50)}
    rasterio.open(tmp_path / "in.tif", "w", "GTiff", 30, 20, 1, dtype=dtype, **profile).close()
    with pytest.raises(SourceError, match="holds complex numbers"):
        convert(tmp_path / "in.tif", tmp_path / "s")


def test_a_file_cut_short_says_where(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", np.arange(6000, dtype="int32").reshape(1, 60, 100))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(SourceError, match=r"in\.tif: band_1 cannot be read at .*Strip") as caught:
        convert(path, tmp_path / "s")
    assert "\n" not in str(caught.value)


def test_rows_from_south_to_north_are_flipped(tmp_path: Path) -> None:
    codes = np.arange(600, dtype="int16").reshape(1, 20, 30)
    write(tmp_path / "in.tif", codes, transform=rasterio.Affine(0.5, 0, 10, 0, 0.5, 40))
    grid = convert(tmp_path / "in.tif", tmp_path).grid
    assert (grid.bounds.north, grid.y.cell_size) == (50, -0.5)
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "in.zarr", mode="r")["0/band_1"][...], codes[0, ::-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crs": None, "transform": rasterio.Affine.identity()}, "without a georeference"),
        ({"crs": None}, "give --crs"),
        ({"transform": rasterio.Affine(0.4, 0.3, 10, 0.3, -0.4, 50)}, "rotated or sheared"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_files_without_a_usable_georeference_are_refused(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    write(tmp_path / "in.tif", np.ones((1, 20, 30), "uint8"), **options)
    with pytest.raises(SourceError, match=message):
        convert(tmp_path / "in.tif", tmp_path)


def test_without_rasterio_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "in.tif", np.ones((1, 20, 30), "uint8"))
    monkeypatch.setattr("lazytile.pyramid.sources.formats.geotiff.rasterio", None)
    with pytest.raises(SourceError, match=r"pip install 'lazytile\[geotiff\]'"):
        convert(tmp_path / "in.tif", tmp_path)


FEW_DIGITS = [-3.4028234663852886e38, -3.40282306074e38, -3.40282e38, -9999.9, 1e20, 255.0, 0.1]
WHOLE = [("uint8", 255), ("uint8", 254.7), ("uint8", 0.1), ("int16", -1), ("int16", -0.7), ("int16", 254.7)]


@pytest.mark.parametrize(
    ("dtype", "nodata"), [*((dtype, code) for dtype in ("float32", "float64") for code in FEW_DIGITS), *WHOLE]
)
def test_no_data_in_few_digits_is_what_gdal_takes_it_for(tmp_path: Path, dtype: str, nodata: float) -> None:
    cells = np.ones((16, 16), dtype)
    if cells.dtype.kind == "f":
        near = [np.float32(nodata), nodata * (1 + 2e-7), nodata * (1 + 6e-7), nodata * 0.9, 0, -2e38]
    else:
        near = [255, 254, 127, 0]
    with np.errstate(all="ignore"):
        cells.flat[: len(near)] = np.array(near).astype(dtype)
    write(tmp_path / "in.tif", cells[None], nodata=nodata)
    with rasterio.open(tmp_path / "in.tif") as file:
        shown = file.read_masks(1) != 0
    convert(tmp_path / "in.tif", tmp_path, "d")
    with xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
        np.testing.assert_array_equal(stored["band_1"].values, np.where(shown, cells, np.nan))
