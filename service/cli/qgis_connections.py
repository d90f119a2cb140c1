"""The connections of a running server as QGIS loads them, and the documents of the server that they are made of."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

from lxml import etree

from lazytile.service.http.errors import ServiceError

TIMEOUT_S = 20.0
LIMIT_BYTES = 64 << 20
"""Of one answer of the server."""
ANTARCTIC = "EPSG:3031"
"""Of its axes both point to the north, so QGIS takes it for a CRS with the northing first, which it is not."""


def wms_connections(base_url: str, name: str) -> bytes:
    """Return the connections to WMTS and WMS as QGIS loads them.

    Args:
        base_url: Address of the server, without a slash at its end.
        name: What their names begin with.

    Returns:
        The file.
    """
    root = etree.Element("qgsWMSConnections", version="1.0")
    gibs = ANTARCTIC.lower().replace(":", "")
    for title, address, ignores_axes in (
        (f"{name} WMTS", f"{base_url}/wmts/1.0.0/WMTSCapabilities.xml", False),
        (f"{name} WMTS {ANTARCTIC}", f"{base_url}/wmts/{gibs}/best/1.0.0/WMTSCapabilities.xml", True),
        (f"{name} WMS", f"{base_url}/wms", False),
        (f"{name} WMS {ANTARCTIC}", f"{base_url}/wms", True),
    ):
        switches = dict.fromkeys(
            ("ignoreGetMapURI", "ignoreGetFeatureInfoURI", "invertAxisOrientation", "smoothPixmapTransform"), "false"
        )
        axes = {"ignoreAxisOrientation": "true" if ignores_axes else "false"}
        attributes = {"name": title, "url": address, "dpiMode": "7"} | switches | axes
        etree.SubElement(root, "wms", attributes)
    return _document(root)


def xyz_connections(base_url: str, name: str, layers: list[tuple[str, str, int]]) -> bytes:
    """Return the connections to the XYZ tiles of each layer as QGIS loads them.

    Args:
        base_url: Address of the server, without a slash at its end.
        name: What their names begin with.
        layers: Title, name and highest zoom of each.

    Returns:
        The file.
    """
    root = etree.Element("qgsXYZTilesConnections", version="1.0")
    for title, layer, zoom in layers:
        shown = {"name": f"{name}: {title} ({layer})", "url": f"{base_url}/xyz/{quote(layer)}/{{z}}/{{x}}/{{y}}.png"}
        empty = dict.fromkeys(("authcfg", "username", "password", "referer"), "")
        attributes = shown | {"zmin": "0", "zmax": str(zoom), "tilePixelRatio": "0"} | empty
        etree.SubElement(root, "xyztiles", attributes)
    return _document(root)


def _document(root: etree._Element) -> bytes:
    return etree.tostring(root, doctype="<!DOCTYPE connections>", pretty_print=True, encoding="UTF-8")


def document_of(base_url: str, path: str) -> dict[str, Any]:
    """Return a JSON document of a server.

    Args:
        base_url: Address of the server.
        path: Below the address, with a slash in front.

    Returns:
        The document.

    Raises:
        ServiceError: The address is none, or no lazytile server answers there.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ServiceError(f"the address of a server is http(s)://HOST[:PORT][/PATH], not {base_url!r}")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path}{path}", headers={"Accept": "application/json"})
        reply = connection.getresponse()
        body = reply.read(LIMIT_BYTES + 1)
        if reply.status != http.client.OK or len(body) > LIMIT_BYTES:
            raise ServiceError(f"{base_url}{path} answers {reply.status}, there is no lazytile server")
        document: dict[str, Any] = json.loads(body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServiceError(f"no answer from {base_url}: {error}") from error
    finally:
        connection.close()
    return document
