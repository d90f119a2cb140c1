"""Service exceptions of WMS 1.3.0 and 1.1.1 (OGC 06-042, 7.2.6 and annex E; 01-068r3, 6.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from lazytile.pyramid.catalog.dimensions import ELEVATION
from lazytile.pyramid.core.errors import RequestError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.service.http.errors import failure_of, one_line
from lazytile.service.http.parameter_names import TIME
from lazytile.service.http.reply import text_response
from lazytile.service.wms.map_frame import CURRENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

OGC = "http://www.opengis.net/ogc"
XML = "text/xml"
OLD_TYPE = "application/vnd.ogc.se_xml"
_CODES = {
    "layer": "LayerNotDefined",
    "layers": "LayerNotDefined",
    "query_layers": "LayerNotDefined",
    "style": "StyleNotDefined",
    "styles": "StyleNotDefined",
    "format": "InvalidFormat",
    "infoformat": "InvalidFormat",
    "info_format": "InvalidFormat",
    "crs": "InvalidCRS",
    "srs": "InvalidSRS",
    "i": "InvalidPoint",
    "j": "InvalidPoint",
    "x": "InvalidPoint",
    "y": "InvalidPoint",
    TIME.lower(): "InvalidDimensionValue",
    ELEVATION: "InvalidDimensionValue",
    "request": "OperationNotSupported",
}
"""Exception codes by the parameter whose value is invalid."""


async def reported(
    request: web.Request, version_of: Callable[[], str], answer: Callable[[], Awaitable[web.Response]]
) -> web.Response:
    """Return a response, or the service exception report of what its handler raises.

    Args:
        request: The request.
        version_of: Returns the negotiated version; called after ``answer``, which negotiates it.
        answer: Makes the response.

    Returns:
        The response.
    """
    try:
        return await answer()
    except Exception as error:  # noqa: BLE001 - the only place where exceptions become service exceptions
        failure = failure_of(error, in_path=False)
        code = failure.code
        if code in ("InvalidParameterValue", "PointIJOutOfRange") and failure.locator is not None:
            code = _CODES.get(failure.locator.lower(), code)
            if isinstance(error, RequestError) and not isinstance(error.field, str | RequestField):
                code = "InvalidDimensionValue"  # a dimension of the layer's own
        headers = {"Cache-Control": "no-store", **failure.headers}
        version = version_of()
        media_type = XML if version == CURRENT else OLD_TYPE
        body = report(version, code, failure.text)
        return text_response(request, body, media_type, status=failure.status, headers=headers)


def report(version: str, code: str, text: str) -> bytes:
    """Return a ServiceExceptionReport.

    Args:
        version: The version of WMS.
        code: The exception code.
        text: For people.

    Returns:
        The document in UTF-8.
    """
    if version == CURRENT:
        root = etree.Element(f"{{{OGC}}}ServiceExceptionReport", nsmap={None: OGC}, version=version)
        exception = etree.SubElement(root, f"{{{OGC}}}ServiceException", code=code)
    else:
        root = etree.Element("ServiceExceptionReport", version=version)
        exception = etree.SubElement(root, "ServiceException", code=code)
    exception.text = one_line(text)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
