"""Responses with legends and other files that are derived from colormaps."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lazytile.colormaps.legends.layout import plan_legend
from lazytile.colormaps.legends.png import legend_picture, legend_png
from lazytile.colormaps.legends.svg import legend_svg
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from aiohttp import web

    from lazytile.colormaps.core.model import Colormap
    from lazytile.colormaps.legends.layout import LegendStyle

PNG = "image/png"
SVG = "image/svg+xml"
_MAX_AGE_S = 3600


WHITE = (255, 255, 255)


async def legend_response(
    request: web.Request,
    colormap: Colormap,
    look: LegendStyle,
    media_type: str,
    background: tuple[int, int, int] = WHITE,
) -> web.Response:
    """Return the response with a legend.

    Args:
        request: The request.
        colormap: The colormap that the legend shows.
        look: Its orientation and size.
        media_type: ``PNG``, ``SVG``, ``image/jpeg`` or ``image/webp``.
        background: Of formats without transparency: red, green and blue.

    Returns:
        The response.
    """

    def draw() -> web.Response:
        drawing = plan_legend(colormap, look)
        if media_type == SVG:
            return file_response(request, legend_svg(drawing), media_type)
        picture = legend_png(drawing) if media_type == PNG else legend_picture(drawing, media_type, background)
        return file_response(request, picture, media_type)

    return await context_of(request).styles.drawn(draw)


def file_response(request: web.Request, body: bytes, media_type: str) -> web.Response:
    """Return the response with a file that clients may cache for an hour.

    Args:
        request: The request.
        body: The file.
        media_type: Its media type.

    Returns:
        The response, 304 if the client has the file.
    """
    digest = hashlib.sha256(body).hexdigest()
    headers = {"Cache-Control": f"public, max-age={_MAX_AGE_S}"}
    return text_response(request, body, media_type, digest=digest, headers=headers)
