"""The viewer: a page and its files, or a plain page where the viewer is not built."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from lazytile.service.http.errors import NotFoundError

VIEWER = Path(__file__).parent.parent / "viewer" / "dist"
_NO_VIEWER = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>lazytile</title>
<h1>lazytile is running</h1>
<p>The viewer page was not built in this checkout: <code>make setup</code> builds it. The tiles need none:</p>
<ul><li><a href="wmts/1.0.0/WMTSCapabilities.xml">WMTS capabilities</a></li>
<li><a href="metrics">metrics</a></li></ul>
</html>
"""


async def page(request: web.Request) -> web.StreamResponse:
    """Return the page of the viewer."""
    del request
    headers = {"Cache-Control": "no-cache"}
    if (VIEWER / "index.html").is_file():
        return web.FileResponse(VIEWER / "index.html", headers=headers)
    return web.Response(text=_NO_VIEWER, content_type="text/html", headers=headers)


async def viewer_file(request: web.Request) -> web.StreamResponse:
    """Return a file of the viewer. Its address carries a hash of the content, so clients may keep it."""
    name = request.match_info["name"]
    known = {path.name: path for path in VIEWER.iterdir()} if VIEWER.is_dir() else {}
    if name not in known:
        raise NotFoundError("request", "the viewer has no such file")
    age = "public, max-age=31536000, immutable" if request.query_string else "no-cache"
    return web.FileResponse(known[name], headers={"Cache-Control": age})
