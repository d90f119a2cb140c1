"""What people take away from the page: pictures, animations, the cells of a box, and code."""

from __future__ import annotations

import asyncio
import io
import zipfile

import netCDF4
import numpy as np
from PIL import Image

from tests.browser.page import READY, choose, click, opened, picture, skip_without_browser
from tests.browser.test_numbers_panel import KEEP_DOWNLOADS, press_by_text, run, saved

skip_without_browser()

PANEL = ".panel-take"
STATUS = f"document.querySelector('{PANEL} [role=status]').textContent"


def test_the_view_the_frames_and_the_code_can_be_taken_away(real):
    async def look():
        async with opened(real, "#layer=arctic.aice&crs=EPSG:3413&fps=4") as page:
            await page.evaluate(KEEP_DOWNLOADS)
            await page.press("t")
            await page.wait_until(f"document.querySelector('{PANEL} .snippet').textContent.includes('/xyz/')")
            await page.wait_until(
                "performance.getEntriesByType('resource').some(({name}) => name.includes('countries-50m'))"
            )
            await asyncio.sleep(1)  # the lines are drawn, or the pictures differ
            view = await saved(page, await press_by_text(page, PANEL, "Picture (PNG)"))
            shot = await page.screenshot()
            frames = await saved(page, await press_by_text(page, PANEL, "Frames (zip)"))
            moving = await saved(page, await press_by_text(page, PANEL, "Animation (WebP)"))
            code = {}
            for kind in ("leaflet", "gdal", "python", "curl"):
                await choose(page, "#snippet", kind)
                code[kind] = await page.evaluate(f"document.querySelector('{PANEL} .snippet').textContent")
            await picture(page, "take")
            return view, shot, frames, moving, code, await page.evaluate("document.getElementById('map').clientHeight")

    view, shot, frames, moving, code, height = run(look())
    pixels = np.asarray(Image.open(io.BytesIO(view)).convert("RGB"))
    assert pixels.shape[0] > height  # the line of sources is below the map
    # Between the panels it is what the screen shows, data and lines.
    seen = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
    part = slice(110, 640), slice(360, 840)
    assert len(np.unique(seen[part].reshape(-1, 3), axis=0)) > 50
    # The ground of the page is a gradient, that of the picture is not.
    differs = abs(pixels[part].astype(int) - seen[part]).max(axis=2) > 24
    assert differs.mean() < 0.02
    with zipfile.ZipFile(io.BytesIO(frames)) as archive:
        names = archive.namelist()
        pictures = [archive.read(name) for name in names]
    assert len(names) == 5
    assert names == sorted(names)
    assert len(set(pictures)) == 5
    animation = Image.open(io.BytesIO(moving))
    assert (animation.format, animation.n_frames) == ("WEBP", 5)
    assert animation.size == pixels.shape[1::-1]
    for number, still in enumerate(pictures):
        animation.seek(number)
        shown = np.asarray(animation.convert("RGB"), float)
        # Each frame is the picture of its time, as far as lossy compression keeps it.
        errors = [
            abs(shown - np.asarray(Image.open(io.BytesIO(each)).convert("RGB"))).mean() for each in (still, *pictures)
        ]
        assert errors[0] == min(errors) < 6, errors
        assert animation.info["duration"] == 250
    assert "arctic" in code["gdal"]
    assert code["python"].startswith("import lazytile")
    assert "curl" in code["curl"]


def test_a_box_of_cells_is_taken_away_in_three_formats(real):
    async def look():
        async with opened(real, "#layer=century&at=0,40,4&crs=EPSG:4326") as page:
            await page.evaluate(KEEP_DOWNLOADS)
            await page.press("t")
            await page.wait_until("document.getElementById('take-box')?.value.split(',').length === 4")
            view = await page.evaluate("document.getElementById('take-box').value")
            await click(page, await press_by_text(page, PANEL, "Draw a box"))
            for corner in ((420, 330), (640, 430)):
                await page.move(*corner)
                await page.click(*corner)
            await page.wait_until(f"document.getElementById('take-box').value !== {view!r}")
            box = await page.evaluate("document.getElementById('take-box').value")
            files = [await saved(page, await press_by_text(page, PANEL, name)) for name in ("netCDF", "GeoTIFF", "CSV")]
            await picture(page, "box")
            await choose(page, "#take-box", "-10, 35, 5, 45")
            await page.evaluate("document.getElementById('take-all-times').click()")
            series = await saved(page, await press_by_text(page, PANEL, "netCDF"))
            return view, box, files, series

    view, box, (stored, tiff, table), series = run(look())
    assert box != view
    west, south, east, north = map(float, box.split(","))
    with netCDF4.Dataset("memory", memory=stored) as file:
        lon, lat = file["lon"][:], file["lat"][:]
        values = file["TREFHT"][0]
    assert west <= lon.min() < lon.max() <= east
    assert south <= lat.min() < lat.max() <= north
    assert Image.open(io.BytesIO(tiff)).size == values.shape[::-1]
    lines = table.decode().splitlines()
    assert len(lines) == 1 + values.size
    assert np.allclose([float(line.split(",")[-2]) for line in lines[1:]], values.ravel())
    with netCDF4.Dataset("memory", memory=series) as file:
        assert file["TREFHT"].shape[0] == len(file["time"][:]) > 100


def test_what_is_no_box_or_too_large_is_told_in_words(real):
    async def look():
        async with opened(real, "#layer=opera") as page:
            await page.press("t")
            await page.wait_until("document.getElementById('take-box')?.value.split(',').length === 4")
            csv = await press_by_text(page, PANEL, "CSV")
            await choose(page, "#take-box", "1, 2")
            await click(page, csv)
            await page.wait_until(f"{STATUS}.startsWith('The box is west, south, east, north')")
            assert page.console == []
            await choose(page, "#take-box", "-180, -90, 180, 90")
            await click(page, csv)
            await page.wait_until(f"{STATUS}.includes('choose a smaller box')")
            # Chromium writes each response with 400 to the console, and that is the one that was asked for.
            refused = [line for line in page.console if "400" in line]
            assert (len(page.console), len(refused)) == (1, 1)
            page.console.clear()
            page.failures.clear()

    run(look())


def test_the_box_of_a_polar_view_goes_round_the_pole(real):
    async def look():
        async with opened(real, "#layer=arctic.aice&crs=EPSG:3413") as page:
            await page.press("t")
            await page.wait_until("document.getElementById('take-box')?.value.split(',').length === 4")
            await page.wait_until(READY)
            return await page.evaluate("document.getElementById('take-box').value")

    west, south, east, north = map(float, run(look()).split(","))
    assert (west, east, north) == (-180, 180, 90)
    assert 0 < south < 75


def test_a_range_of_too_many_times_is_told(real):
    async def look():
        async with opened(real, "#layer=century&at=0,20,1.5") as page:
            await page.press("t")
            stop = await press_by_text(page, PANEL, "Stop")
            await click(page, await press_by_text(page, PANEL, "Animation (WebP)"))
            await page.wait_until(f"{STATUS}.startsWith('Frame ')", 60)
            await click(page, stop)
            await page.wait_until(f"{STATUS} === 'Stopped.'", 60)
            await asyncio.sleep(0)

    run(look())
