"""The viewer: a page and its files, or a plain page where the viewer is not built."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.service.http.errors import NotFoundError
from lazytile.service.http.reply import text_response

if TYPE_CHECKING:
    from aiohttp import web

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
    path = VIEWER / "index.html"
    body = await asyncio.to_thread(path.read_bytes) if path.is_file() else _NO_VIEWER.encode()
    return _file_response(request, body, path, "no-cache")


async def viewer_file(request: web.Request) -> web.StreamResponse:
    """Return a file of the viewer. Its address carries a hash of the content, so clients may keep it."""
    name = request.match_info["name"]
    known = {path.name: path for path in VIEWER.iterdir()} if VIEWER.is_dir() else {}
    if name not in known:
        raise NotFoundError("request", "the viewer has no such file")
    age = "public, max-age=31536000, immutable" if request.query_string else "no-cache"
    return _file_response(request, await asyncio.to_thread(known[name].read_bytes), known[name], age)


def _file_response(request: web.Request, body: bytes, path: Path, cache_control: str) -> web.Response:
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type = f"{content_type}; charset=utf-8"
    digest = hashlib.sha256(body).hexdigest()
    return text_response(request, body, content_type, digest=digest, headers={"Cache-Control": cache_control})
