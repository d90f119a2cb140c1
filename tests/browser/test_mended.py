"""What earlier pages did badly: going to a layer, the list, keys, history, a server that is away."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace

import numpy as np

from lazytile.pyramid.store.dataset import Dimension
from tests.browser.page import READY, choose, click, opened, skip_without_browser
from tests.chromium import chromium
from tests.data import CATALOGUE
from tests.faults.server import serving

skip_without_browser()

AT = "new URLSearchParams(location.hash.slice(1)).get('at').split(',').map(Number)"
TEXT = "document.getElementById('{}').textContent"


async def layer_of(page, name):
    await choose(page, f"#layers input[value='{name}']", name)
    await page.wait_until(READY)


def test_choosing_a_layer_goes_to_it_only_where_the_map_does_not_show_it(site):
    async def scenario():
        async with opened(site, "#layer=global_180&at=-60,-50,5") as page:
            await layer_of(page, "extra_dimension")
            await page.wait_until(f"{AT}[1] > 0")
            longitude, latitude, _ = await page.evaluate(AT)
            assert -40 < longitude < 40
            assert 30 < latitude < 60
            # All of the world is in view there: nothing moves.
            before = await page.evaluate(AT)
            await layer_of(page, "global_180")
            assert await page.evaluate(AT) == before

    asyncio.run(scenario())


def test_the_centre_stays_when_layers_with_and_without_times_are_switched(site):
    async def scenario():
        async with opened(site, "#layer=global_180&at=10,20,1") as page:
            for name in ("time_steps", "global_180", "extra_dimension", "global_180"):
                await layer_of(page, name)
            assert await page.evaluate(AT) == [10, 20, 1]

    asyncio.run(scenario())


def test_a_layer_across_180_degrees_opens_where_it_is(site):
    async def scenario():
        async with opened(site, "#layer=antimeridian") as page:
            longitude, _, zoom = await page.evaluate(AT)
            layers = await page.evaluate("fetch('catalogue').then((r) => r.json()).then((c) => c.layers)")
            bounds = next(layer["bounds"] for layer in layers if layer["id"] == "antimeridian")
            middle = (bounds[0] + bounds[2]) / 2
            # The panel covers the left: the layer lies right of the centre, by less than half a window.
            assert abs((longitude - middle + 180) % 360 - 180) < 360 * 640 / (256 * 2**zoom)
            assert zoom >= 1

    asyncio.run(scenario())


def test_search_takes_words_in_any_order_and_says_when_nothing_fits(real):
    items = "[...document.querySelectorAll('#layers .item')]"
    visible = f"{items}.filter((e) => !e.hidden).map((e) => e.querySelector('input').value)"

    async def scenario():
        async with opened(real, "#layer=swath.wind_speed") as page:
            # The selected layer is in view in the list.
            inside = await page.evaluate(
                "(() => { const l = document.getElementById('layers').getBoundingClientRect();"
                " const i = document.querySelector('#layers input:checked').closest('.item').getBoundingClientRect();"
                " return i.top >= l.top - 1 && i.bottom <= l.bottom + 1; })()"
            )
            assert inside
            await choose(page, "#filter", "temperature sea")
            assert "sst.analysed_sst" in await page.evaluate(visible)
            assert "century" not in await page.evaluate(visible)
            await choose(page, "#filter", "temperature nonsense")
            assert await page.evaluate(visible) == []
            assert "temperature nonsense" in await page.evaluate(TEXT.format("no-layers"))
            await choose(page, "#filter", "")
            assert not await page.evaluate("[...document.querySelectorAll('#layers .item')].some((e) => e.hidden)")

    asyncio.run(scenario())


def test_a_link_that_names_what_is_not_here_says_so(site):
    async def scenario():
        link = "#layer=nothing&layer=extra_dimension&style=odd&dim.level=3&time=1800-01-01&crs=EPSG:9999"
        async with opened(site, link) as page:
            text = await page.evaluate(TEXT.format("message"))
            for name in ("layer nothing", "style odd", "level 3", "1800-01-01"):
                assert name in text
            assert await page.evaluate("document.querySelectorAll('#stack li').length") == 1

    asyncio.run(scenario())


def test_keys_work_wherever_the_focus_is(site):
    async def scenario():
        async with opened(site, "#layer=time_steps&time=2024-01-01T00:00:00Z") as page:
            for selector in ("#opacity", "#layers input:checked", "#home", "#slider", "#play", "#capabilities"):
                await page.evaluate(f"document.querySelector({selector!r}).focus()")
                before = await page.evaluate(TEXT.format("time"))
                await page.press(".", ".")
                await page.wait_until(f"{TEXT.format('time')} !== {before!r}")
                for pressed in ("true", "false"):
                    await page.press(" ", " ")
                    await page.wait_until(
                        f"document.getElementById('play').getAttribute('aria-pressed') === '{pressed}'"
                    )
            # A text field keeps them.
            await page.evaluate(
                "document.getElementById('filter').hidden = false; document.getElementById('filter').focus()"
            )
            before = await page.evaluate(TEXT.format("time"))
            await page.press(".", ".")
            assert await page.evaluate("document.getElementById('filter').value") == "."
            assert await page.evaluate(TEXT.format("time")) == before

    asyncio.run(scenario())


def test_back_and_forward_undo_and_redo(site):
    layer = "new URLSearchParams(location.hash.slice(1)).get('layer')"

    async def scenario():
        async with opened(site, "#layer=global_180&at=0,0,1") as page:
            await layer_of(page, "time_steps")
            await choose(page, "#projection input[value='EPSG:3857']", "EPSG:3857")
            await page.wait_until(READY)
            await page.evaluate("history.back()")
            await page.wait_until("location.hash.includes('crs=EPSG:4326')")
            assert await page.evaluate(layer) == "time_steps"
            await page.evaluate("history.back()")
            await page.wait_until(f"{layer} === 'global_180'")
            await page.wait_until("document.querySelector('#layers input:checked').value === 'global_180'")
            await page.evaluate("history.forward()")
            await page.wait_until(f"{layer} === 'time_steps'")

    asyncio.run(scenario())


def test_dense_screens_get_tiles_of_twice_the_pixels(site):
    async def scenario():
        async with opened(site, "#layer=global_180", (800, 600), 2) as page:
            tiles = [url for url in page.requests if "/wmts/" in url and ".png" in url]
            assert tiles
            assert all("@2x.png" in url for url in tiles)

    asyncio.run(scenario())


def test_files_are_compressed_and_kept_by_their_hash(site):
    async def scenario():
        async with opened(site, "#layer=global_180") as page:
            urls = [url for url in page.requests if "/viewer/" in url]
            headers = await page.evaluate(
                f"Promise.all({urls!r}.map((u) => fetch(u).then((r) => [u, r.headers.get('Content-Encoding'),"
                " r.headers.get('Cache-Control')])))"
            )
            assert len(headers) >= 3
            for url, coding, age in headers:
                assert "immutable" in age, url
                assert coding in {"br", "gzip"} or url.partition("?")[0].endswith(".svg"), url

    asyncio.run(scenario())


def test_a_server_that_is_killed_and_started_again(datasets, tmp_path):
    """The bar stays while it is away, the label stays with its picture, and the page goes on by itself."""

    async def scenario():
        with serving(datasets, tmp_path / "cache", exit_code=None) as first:
            port = first.port
            address = f"http://127.0.0.1:{port}/"
            async with chromium().page(1000, 700) as page:
                await page.go(f"{address}#layer=extra_dimension&time=2024-01-01T00:00:00Z")
                await page.wait_until(READY)
                await asyncio.sleep(1)
                first.process.kill()
                first.process.wait()
                await choose(page, "#dimension-level", "500")
                await page.press("+", "+")
                await page.wait_until("!document.getElementById('trouble').hidden")
                assert "does not answer" in await page.evaluate(TEXT.format("trouble"))
                assert await page.evaluate("document.body.classList.contains('stale')")
                await page.evaluate("document.getElementById('next').click()")
                await asyncio.sleep(1.5)
                # The time was asked for, and is not shown: the picture is that of the time before.
                assert await page.evaluate(TEXT.format("time")) == "2024-01-01"
                assert "2024-01-02" in await page.evaluate(TEXT.format("coming"))
                with serving(datasets, tmp_path / "cache2", "--port", str(port)):
                    await page.wait_until("document.getElementById('trouble').hidden", 40)
                    await page.wait_until(f"{TEXT.format('time')} === '2024-01-02'", 40)
                    await page.wait_until(READY)
                    assert not await page.evaluate("document.body.classList.contains('stale')")

    asyncio.run(scenario())


def test_a_new_dataset_and_appended_times_appear_without_a_reload(datasets, tmp_path):
    async def scenario():
        store = tmp_path / "store"
        shutil.copytree(datasets, store)
        with serving(store, tmp_path / "cache") as server:
            async with opened(f"http://127.0.0.1:{server.port}/", "#layer=time_steps") as page:
                assert await page.evaluate("document.getElementById('slider').max") == "2"
                CATALOGUE["mercator"]().write(store)
                of_times = CATALOGUE["time_steps"]()
                (field,) = of_times.fields
                (time,) = field.dimensions
                longer = Dimension(time.name, time.kind, (*time.labels, "2024-01-04T00:00:00Z"))
                codes = np.concatenate([field.codes, field.codes[:1]])
                shutil.rmtree(store / "time_steps.zarr")
                replace(of_times, fields=(replace(field, codes=codes, dimensions=(longer,)),), _oracles={}).write(
                    store, generation="synthetic-2"
                )
                await page.wait_until("document.getElementById('slider').max === '3'", 20)
                await page.wait_until("document.querySelector('#layers input[value=mercator]') !== null", 20)
                await page.wait_until(READY)
                page.failures.clear()  # while the folder was replaced there was no such dataset
                page.console.clear()

    asyncio.run(scenario())


def test_the_drawer_opens_by_key_and_returns_the_focus(site):
    async def scenario():
        async with opened(site, "#layer=global_180") as page:
            await page.press("?", "?")
            await page.wait_until("!document.getElementById('drawer').hidden")
            assert "space" in await page.evaluate(TEXT.format("drawer"))
            await page.evaluate("document.querySelector('#drawer .close').focus()")
            await page.press("Escape")
            await page.wait_until("document.getElementById('drawer').hidden")
            assert await page.evaluate("document.activeElement.id") == "tool-help"
            await click(page, "#tool-map")
            await page.wait_until("!document.getElementById('drawer').hidden")

    asyncio.run(scenario())


def test_a_link_to_what_the_map_shows_already_says_where_it_is(site):
    async def scenario():
        async with opened(site, "#layer=global_180") as page:
            for _ in range(2):
                await page.evaluate("void (location.hash = '#layer=global_180')")
                await page.wait_until("location.hash.includes('at=')")

    asyncio.run(scenario())


def test_a_link_that_is_followed_while_the_page_changes_is_not_overwritten(site):
    """A busy page writes its address late, perhaps between the link and the event that tells of it."""
    follow = """(() => {
        for (let change = 0; change < 2; change += 1) {
            const slider = document.getElementById('opacity');
            slider.value = String(0.3 + change / 10);
            slider.dispatchEvent(new Event('input', { bubbles: true }));
        }
        const end = performance.now() + 150;
        location.hash = '#layer=global_180&at=10,20,3';
        while (performance.now() < end);
    })()"""

    async def scenario():
        async with opened(site, "#layer=time_steps&at=0,0,2") as page:
            await page.evaluate(follow)
            await page.wait_until("location.hash.includes('layer=global_180')")
            await page.wait_until(READY)
            assert await page.evaluate(AT) == [10, 20, 3]

    asyncio.run(scenario())


def test_a_colormap_chosen_right_after_another_change_keeps_that_change(site):
    """The controls are drawn again only when the answer for the changed style is here."""
    both = "for (const id of ['reverse', 'colormap-ocean']) document.getElementById(id).click()"

    async def scenario():
        async with opened(site, "#layer=global_180") as page:
            await page.wait_until("document.getElementById('reverse') !== null")
            await page.evaluate(both)
            await page.wait_until("location.hash.includes('style=ocean_r')")

    asyncio.run(scenario())
