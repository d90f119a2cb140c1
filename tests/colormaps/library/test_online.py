"""Fetching colormaps from a real local server: whatever it sends, the folder holds complete colormaps or nothing."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from lazytile.colormaps.core.errors import ColormapError, ColormapNotFoundError
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.colormaps.library.online import DEFAULT_SOURCES, OnlineColormaps, OnlineSource
from tests.colormaps.formats.test_gibs import document, entry

GOOD = document(entry("[0,1)"), title="Good")
NEWER = document(entry("[0,2)"), title="Newer")
BAR = b'{"scale": {"colors": ["ff0000"], "values": [[0, 1]]}}'
LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><ColorMaps>&c;</ColorMaps>'
)


class AppContext:
    """Two sources, ``/first/`` (XML) and ``/second/`` (JSON), that respond as a test prescribes."""

    def __init__(self):
        self.responses = {}
        self.requests = []
        self.port = 0

    async def response(self, request):
        self.requests.append((request.path, dict(request.headers)))
        response = self.responses.get(request.path)
        if response is None:
            raise web.HTTPNotFound
        return await response(request) if callable(response) else web.Response(body=response)


@asynccontextmanager
async def served(site):
    app = web.Application()
    app.router.add_get("/{tail:.*}", site.response)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        where = web.TCPSite(runner, "127.0.0.1", 0)
        await where.start()
        site.port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{site.port}"
    finally:
        await runner.cleanup()


def fetching(site, folder, names, *, limit_bytes=100_000, timeout_s=5.0, refresh=False):
    """Fetch names one after the other and return each outcome, errors included."""

    async def run():
        async with served(site) as base:
            sources = (OnlineSource(f"{base}/first/", ".xml"), OnlineSource(f"{base}/second/", ".json"))
            online = OnlineColormaps(
                folder, sources, timeout_s=timeout_s, limit_bytes=limit_bytes, allow_loopback_http=True
            )
            results = []
            for name in names:
                try:
                    results.append(await online.fetch(name, refresh=refresh))
                except ColormapError as error:
                    results.append(error)
            return results

    return asyncio.run(run())


@pytest.fixture
def site():
    return AppContext()


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_200_is_stored_and_found(site, tmp_path):
    site.responses["/first/Good.xml"] = GOOD
    folder = tmp_path / "made" / "for" / "it"
    (fetched,) = fetching(site, folder, ["Good"])
    assert fetched.outcome == "new"
    assert fetched.path.read_bytes() == GOOD
    assert files(folder) == [".Good.xml.http", "Good.xml"]
    assert ColormapCatalog(folder).find("Good").title == "Good"
    assert "Good" in ColormapCatalog(folder).names()


def test_existing_files_are_kept_without_a_request(site, tmp_path):
    site.responses["/first/Good.xml"] = GOOD
    first, second = fetching(site, tmp_path, ["Good", "Good"])
    assert (first.outcome, second.outcome) == ("new", "kept")
    assert len(site.requests) == 1


def test_304_and_a_change(site, tmp_path):
    content = {"body": GOOD, "tag": '"1"'}

    async def tagged(request):
        if request.headers.get("If-None-Match") == content["tag"]:
            return web.Response(status=304)
        headers = {"ETag": content["tag"], "Last-Modified": "Mon, 02 Jan 2023 00:00:00 GMT"}
        return web.Response(body=content["body"], headers=headers)

    site.responses["/first/Good.xml"] = tagged

    def once():
        # The port is in the URL that is remembered: the same server has to be asked again.
        async def run():
            async with served(site) as base:
                sources = (OnlineSource(f"{base}/first/", ".xml"),)
                online = OnlineColormaps(tmp_path, sources, allow_loopback_http=True)
                outcomes = [(await online.fetch("Good", refresh=True)).outcome for _ in range(2)]
                content.update(body=NEWER, tag='"2"')
                outcomes.append((await online.fetch("Good", refresh=True)).outcome)
                (tmp_path / "Good.xml").write_bytes(GOOD)  # changed behind our back: no conditional request
                outcomes.append((await online.fetch("Good", refresh=True)).outcome)
                return outcomes

        return asyncio.run(run())

    assert once() == ["new", "unchanged", "changed", "changed"]
    asked = [headers.get("If-None-Match") for _, headers in site.requests]
    assert asked == [None, '"1"', '"1"', None]
    assert site.requests[1][1]["If-Modified-Since"] == "Mon, 02 Jan 2023 00:00:00 GMT"
    assert (tmp_path / "Good.xml").read_bytes() == NEWER


def test_404_falls_back_to_the_next_source(site, tmp_path):
    site.responses["/second/Bar.json"] = BAR
    fetched, missing = fetching(site, tmp_path, ["Bar", "Nowhere"])
    assert fetched.path.name == "Bar.json"
    assert isinstance(missing, ColormapNotFoundError)
    assert "no colormap 'Nowhere'" in str(missing)
    assert files(tmp_path) == [".Bar.json.http", "Bar.json"]


async def broken(request):
    return web.Response(status=500, text="secret stack trace")


async def slow(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(GOOD[:10])
    await asyncio.sleep(3)
    return response


async def endless(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(100):
        await response.write(b" " * 65536)
    return response


async def cut_short(request):
    response = web.StreamResponse(headers={"Content-Length": "100000"})
    await response.prepare(request)
    await response.write(GOOD)
    request.transport.close()
    return response


async def elsewhere(request):
    return web.Response(status=302, headers={"Location": "http://localhost:1/first/X.xml"})


async def to_https(request):
    return web.Response(status=301, headers={"Location": "https://127.0.0.1/X.xml"})


async def round_and_round(request):
    return web.Response(status=302, headers={"Location": request.path})


async def compressed(request):
    return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})


async def without_condition(request):
    return web.Response(status=304)


TROUBLES = [
    (broken, "responds with HTTP 500"),
    (slow, r"no response within 0\.5 s"),
    (b"<ColorMaps>" + b" " * 200_000, "responds with more than the 100000 bytes"),
    (endless, "responds with more than the 100000 bytes"),
    (cut_short, "X.xml: "),
    (b"<ColorMaps><ColorMap>", "not well-formed XML"),
    (b"<html>Sorry</html>", "no ColorMap, Categorize or Interpolate"),
    (LAUGHS, "entities .* not allowed"),
    (elsewhere, "redirects to another host, http://localhost:1/"),
    (to_https, "redirects to another host"),
    (round_and_round, "redirects more than 3 times"),
    (compressed, "responds with compression"),
    (without_condition, "responds with HTTP 304"),
]


@pytest.mark.parametrize(("response", "message"), TROUBLES, ids=lambda value: getattr(value, "__name__", None))
def test_a_failure_is_one_clear_line_and_leaves_nothing(site, tmp_path, response, message):
    site.responses["/first/X.xml"] = response
    (error,) = fetching(site, tmp_path, ["X"], timeout_s=0.5)
    assert type(error) is ColormapError
    with pytest.raises(ColormapError, match=message):
        raise error
    assert "\n" not in str(error)
    assert "secret" not in str(error)
    assert files(tmp_path) == []


@pytest.mark.parametrize(("response", "message"), TROUBLES[:6:2], ids=["500", "oversized", "cut short"])
def test_a_failure_at_one_source_falls_back_to_the_next(site, tmp_path, response, message):
    site.responses |= {"/first/X.xml": response, "/second/X.json": BAR}
    (fetched,) = fetching(site, tmp_path, ["X"], timeout_s=0.5)
    assert fetched.path.name == "X.json"
    assert files(tmp_path) == [".X.json.http", "X.json"]


def test_a_failure_while_refreshing_leaves_the_old_file(site, tmp_path):
    site.responses["/first/Good.xml"] = GOOD
    fetching(site, tmp_path, ["Good"])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    site.responses["/first/Good.xml"] = b"<nonsense"
    (error,) = fetching(site, tmp_path, ["Good"], refresh=True)
    assert isinstance(error, ColormapError)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_redirect_within_the_host_is_followed(site, tmp_path):
    async def moved(request):
        return web.Response(status=301, headers={"Location": "/first/New.xml"})

    site.responses |= {"/first/Old.xml": moved, "/first/New.xml": GOOD}
    (fetched,) = fetching(site, tmp_path, ["Old"])
    assert fetched.path.name == "Old.xml"


def test_a_file_of_the_users_own_is_never_overwritten(site, tmp_path):
    (tmp_path / "Mine.xml").write_bytes(NEWER)
    site.responses["/first/Mine.xml"] = GOOD
    (kept,) = fetching(site, tmp_path, ["Mine"])
    assert kept.outcome == "kept"
    (error,) = fetching(site, tmp_path, ["Mine"], refresh=True)
    assert "was not fetched, so it is not replaced" in str(error)
    assert (tmp_path / "Mine.xml").read_bytes() == NEWER


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "a%2fb", "", "x\n", "?x"])
def test_bad_names_are_never_requested(site, tmp_path, name):
    (error,) = fetching(site, tmp_path, [name])
    assert "not a colormap name" in str(error)
    assert site.requests == []
    assert files(tmp_path) == []


def test_no_server_is_one_clear_error(tmp_path):
    sources = (OnlineSource("http://127.0.0.1:9/", ".xml"),)
    online = OnlineColormaps(tmp_path, sources, allow_loopback_http=True, timeout_s=2)
    with pytest.raises(ColormapError, match="cannot be fetched: http://127"):
        asyncio.run(online.fetch("X"))


def test_prefetch_fetches_what_exists_and_reports_the_rest(site, tmp_path):
    site.responses |= {"/first/A.xml": GOOD, "/first/C.xml": broken}

    async def run():
        async with served(site) as base:
            sources = (OnlineSource(f"{base}/first", ".xml"),)
            online = OnlineColormaps(tmp_path, sources, allow_loopback_http=True)
            return await online.prefetch(["A", "B", "C", "../D", "A"])

    fetched, troubles = asyncio.run(run())
    assert [result.name for result in fetched] == ["A"]
    assert len(troubles) == 3
    assert files(tmp_path) == [".A.xml.http", "A.xml"]


@pytest.mark.parametrize(
    "base", ["http://gibs.earthdata.nasa.gov/", "http://127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/", "https:///x"]
)
def test_only_https(tmp_path, base):
    with pytest.raises(ColormapError, match="https only"):
        OnlineColormaps(tmp_path, (OnlineSource(base, ".xml"),))


def test_plain_http_is_for_this_machine_alone(tmp_path):
    with pytest.raises(ColormapError, match="https only"):
        OnlineColormaps(tmp_path, (OnlineSource("http://example.com/", ".xml"),), allow_loopback_http=True)


def test_the_sources_are_gibs_and_the_portal():
    assert [source.url_of("N") for source in DEFAULT_SOURCES] == [
        "https://gibs.earthdata.nasa.gov/colormaps/v1.3/N.xml",
        "https://gibs.earthdata.nasa.gov/colormaps/v1.0/N.xml",
        "https://sealevel.nasa.gov/data-analysis-tool/jpl/assets/colorbars/N.json",
    ]
    with pytest.raises(ColormapError, match="ends in"):
        OnlineSource("https://example.com/", ".exe")
