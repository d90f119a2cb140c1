"""The viewer: a page and its files, or a plain page where the viewer is not built."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import re
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from lazytile.service.http.errors import NotFoundError
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.context import APP_CONTEXT

VIEWER = Path(__file__).parent.parent / "viewer" / "dist"
_NO_VIEWER = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>lazytile</title>
<h1>lazytile is running</h1>
<p>The viewer page was not built in this checkout: <code>make setup</code> builds it. The tiles need none:</p>
<ul><li><a href="wmts/1.0.0/WMTSCapabilities.xml">WMTS capabilities</a></li>
<li><a href="metrics">metrics</a></li></ul>
</html>
"""


_HASHED = re.compile(r"[0-9a-f]{12}|.*-(?:[0-9a-f]{12}|[0-9A-Z]{8})\.[a-z]+")
"""A query string or a name that build.mjs has put a hash of the content into."""
_COMPRESSED = frozenset({".gz", ".br"})
_IMAGES = b"img-src 'self'"


async def page(request: web.Request) -> web.StreamResponse:
    """Return the page of the viewer, which may load the background map of the settings."""
    path = VIEWER / "index.html"
    body = await asyncio.to_thread(path.read_bytes) if path.is_file() else _NO_VIEWER.encode()
    origins = base_map_origins(request.app[APP_CONTEXT].settings.base_map)
    if origins:
        body = body.replace(_IMAGES, b" ".join((_IMAGES, *(each.encode() for each in origins))), 1)
    return _file_response(request, body, path, "no-cache")


def base_map_origins(base_map: str | None) -> tuple[str, ...]:
    """Return the origins that the page's Content-Security-Policy must allow pictures from.

    Args:
        base_map: URL template of the background map; None without one.

    Returns:
        At most one origin.
    """
    if base_map is None:
        return ()
    parts = urlsplit(base_map)
    return (f"{parts.scheme}://{parts.netloc}",)


async def viewer_file(request: web.Request) -> web.StreamResponse:
    """Return a file of the viewer, compressed where clients accept it; one with a hash in its address may be kept."""
    name = request.match_info["name"]
    known = {path.name: path for path in VIEWER.iterdir()} if VIEWER.is_dir() else {}
    if name not in known or known[name].suffix in _COMPRESSED:
        raise NotFoundError("request", "the viewer has no such file")
    is_hashed = _HASHED.fullmatch(request.query_string) or _HASHED.fullmatch(name)
    age = "public, max-age=31536000, immutable" if is_hashed else "no-cache"
    if f"{name}.gz" in known:
        # It sends the compressed file beside this one to clients that accept it.
        return web.FileResponse(known[name], headers={"Cache-Control": age, "Vary": "Accept-Encoding"})
    return _file_response(request, await asyncio.to_thread(known[name].read_bytes), known[name], age)


def _file_response(request: web.Request, body: bytes, path: Path, cache_control: str) -> web.Response:
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type = f"{content_type}; charset=utf-8"
    digest = hashlib.sha256(body).hexdigest()
    return text_response(request, body, content_type, digest=digest, headers={"Cache-Control": cache_control})
