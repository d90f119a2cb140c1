"""Inspecting MRFs: sound ones have no problems, those of damaged ones are listed."""

import struct

import pytest

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.check import describe_header, inspect_mrf
from lazytile.pyramid.mrf.model import Compression
from tests.pyramid.mrf.stores import export, field, mrf_text, write_mrf, write_store
from tests.pyramid.mrf.test_reader import PAGE, RECORDS
from tests.shared import shared


def test_a_sound_one(tmp_path):
    store = write_store(tmp_path, field(600, 900))
    (summary,) = export(store, tmp_path / "out")
    calls = []
    report = inspect_mrf(summary.path, decode=True, onearth=True, progress=lambda *at: calls.append(at))
    assert report.problems == ()
    assert (report.pages, report.empty_pages, report.data_bytes) == (
        summary.tiles,
        summary.empty_tiles,
        summary.data_bytes,
    )
    assert (report.shared_pages, report.unused_bytes) == (0, 0)
    assert calls[-1] == (summary.tiles, summary.tiles)
    described = describe_header(report.header)
    assert described["size"] == "900 x 600"
    assert described["levels"] == "900 x 600, 450 x 300, 225 x 150"
    assert described["compression"] == "PPNG"
    assert described["bounds"] == "-180 -90 180 90"
    assert described["layer"] == "sst"


def test_the_real_onearth_file():
    report = inspect_mrf(shared("mrf", "Raster_Status-2004214000000.mrf"), decode=True, onearth=True)
    assert report.problems == ()
    assert (report.pages, report.empty_pages, report.unused_bytes) == (24, 0, 4723)
    assert report.onearth == "for OnEarth: tile matrix set 16km of EPSG:4326, SkippedLevels 1"


def test_damaged_records_and_pages(tmp_path):
    junk = b"\0" * len(PAGE)
    records = [(0, len(PAGE)), (len(PAGE), len(PAGE)), (5, len(PAGE)), (1 << 40, 9), (0, len(PAGE))]
    path = write_mrf(tmp_path, mrf_text(), records, PAGE + junk)
    quick = inspect_mrf(path)
    assert [text.partition(": ")[2] for text in quick.problems] == [
        f"record 3 ends at byte {(1 << 40) + 9}, the data file has {2 * len(PAGE)}",
        "the bytes of 2 pages overlap those of others",
    ]
    assert quick.shared_pages == 1
    problems = "\n".join(inspect_mrf(path, decode=True).problems)
    assert "level 0 row 0 column 1: a page holds no image" in problems
    assert "level 0 row 1 column 0: a page holds no image" in problems


def test_the_list_of_problems_ends(tmp_path):
    text = mrf_text(size=(64 * 64, 64 * 64), page=64)
    pages = 64 * 64 + 32 * 32 + 16 * 16 + 8 * 8 + 4 * 4 + 2 * 2 + 1
    path = write_mrf(tmp_path, text, [(1 << 60, 1)] * pages, b"")
    assert len(inspect_mrf(path).problems) == 100


@pytest.mark.parametrize(
    ("text", "records", "problem"),
    [
        (mrf_text(size=(256, 256)), 1, "at least 2 pages"),
        (mrf_text().replace('<Rsets model="uniform" scale="2"/>', ""), 4, "this MRF has no overviews"),
        (mrf_text(size=(1024, 1024)).replace('scale="2"', 'scale="4"'), 17, "levels that halve"),
        (mrf_text().replace('c="1"/><Page', 'c="2"/><Page').replace("PPNG", "PNG"), 10, "all bands in one page"),
    ],
)
def test_what_onearth_cannot_serve(tmp_path, text, records, problem):
    path = write_mrf(tmp_path, text, [(0, 0)] * records, PAGE)
    assert inspect_mrf(path).problems == ()
    (found,) = inspect_mrf(path, onearth=True).problems
    assert problem in found


@pytest.mark.parametrize(
    ("tms", "finest", "settings"),
    [
        ("16km", None, "16km of EPSG:4326, SkippedLevels 1"),
        ("16km", "1", "16km of EPSG:4326, SkippedLevels 1"),
        ("GoogleMapsCompatible_Level3", None, "GoogleMapsCompatible_Level3 of EPSG:3857, SkippedLevels 0"),
        ("EPSG3413_1km", "1", "1km of EPSG:3413, SkippedLevels 1"),
        ("EPSG3031_1.5km", "0", "1.5km of EPSG:3031, SkippedLevels 1"),
        ("native", None, "no tile matrix set of GIBS has the MRF's pixels and pages"),
        ("WorldCRS84Quad", "2", "no tile matrix set of GIBS has the MRF's pixels and pages"),
    ],
)
def test_the_settings_for_onearth(tmp_path, tms, finest, settings):
    store = write_store(tmp_path, field(300, 600))
    (summary,) = export(store, tmp_path / "out", tms=tms, finest=finest)
    report = inspect_mrf(summary.path, onearth=True)
    assert report.problems == ()
    assert settings in report.onearth
    assert inspect_mrf(summary.path).onearth == ""


@pytest.mark.parametrize(
    ("west", "projection", "settings"),
    [
        ("-180", "", "no tile matrix set"),
        ("-180", "no CRS at all", "no tile matrix set"),
        ("-180", "EPSG:3857", "no tile matrix set"),
        ("-170", "EPSG:4326", "no tile matrix set"),
        ("-180.00000000", "EPSG:4326", "tile matrix set 16km of EPSG:4326, SkippedLevels 1"),
    ],
)
def test_headers_of_others(tmp_path, west, projection, settings):
    box = f'<BoundingBox minx="{west}" miny="-90" maxx="180" maxy="90"/><Projection>{projection}</Projection>'
    path = write_mrf(tmp_path, mrf_text((2560, 1280), 512, f"<GeoTags>{box}</GeoTags>"), [(0, 0)] * 24, b"")
    assert settings in inspect_mrf(path, onearth=True).onearth
    path = write_mrf(tmp_path, mrf_text((2560, 1280), 512), [(0, 0)] * 24, b"")
    assert "no tile matrix set" in inspect_mrf(path, onearth=True).onearth


def test_a_page_too_large_for_onearth(tmp_path):
    text = mrf_text(size=(4096, 2048), page=2048).replace("PPNG", "NONE").replace("</Raster>", "</Raster>")
    data = bytes(4 * 1024 * 1024 + 1)
    path = write_mrf(tmp_path, text, [(0, len(data)), (0, 0), (0, 0)], data, Compression.NONE.extension)
    unserved, found = inspect_mrf(path, onearth=True).problems
    assert "OnEarth serves no pages in NONE, it serves PPNG, PNG, JPNG, JPEG, TIF, LERC" in unserved
    assert f"a page has {len(data)} bytes, mod_mrf sends at most 4194304" in found


def test_files_that_are_no_mrf(tmp_path):
    path = write_mrf(tmp_path, "<svg/>", RECORDS, PAGE)
    with pytest.raises(MrfError, match="not an MRF"):
        inspect_mrf(path)
    path.write_text(mrf_text())
    path.with_suffix(".idx").write_bytes(struct.pack(">QQ", 0, 0))
    with pytest.raises(MrfError, match="the index has 16 bytes"):
        inspect_mrf(path)
