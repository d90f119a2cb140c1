"""The commands ``connect``: files with which clients find a running server."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import typer
from lxml import etree

from lazytile.colormaps.core.atomic_write import write_atomically
from lazytile.service.http.errors import ServiceError

app = typer.Typer(
    help="Write the files with which clients find a running server.", no_args_is_help=True, rich_markup_mode=None
)
DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_S = 20.0
LIMIT_BYTES = 64 << 20
"""Of one answer of the server."""
ANTARCTIC = "EPSG:3031"
"""Of its axes both point to the north, so QGIS takes it for a CRS with the northing first, which it is not."""


@app.callback()
def _group() -> None:
    """Keep ``qgis`` a command of its own while there is no other."""


@app.command("qgis")
def qgis(
    url: Annotated[str, typer.Argument(metavar="[URL]", help="Address of the server.")] = DEFAULT_URL,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the files.")] = Path(),
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the connections in QGIS.")] = "lazytile",
) -> None:
    """Write the connections of a server for QGIS: NAME-wms.xml (WMTS and WMS) and NAME-xyz.xml (XYZ).

    In QGIS: Layer > Data Source Manager, WMS/WMTS or XYZ, Load.
    """
    base = url.rstrip("/")
    layers = [
        (each["title"], each["id"], _get(base, f"/xyz/{quote(each['id'], safe='')}.json")["maxzoom"])
        for each in _get(base, "/ogc/collections")["collections"]
    ]
    output.mkdir(parents=True, exist_ok=True)
    files = {"wms": wms_connections(base, name), "xyz": xyz_connections(base, name, layers)}
    for kind, document in files.items():
        path = output / f"{name}-{kind}.xml"
        write_atomically(path, document)
        typer.echo(str(path))


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


def _get(base_url: str, path: str) -> dict[str, Any]:
    """Return a JSON document of the server. Raises ``ServiceError``."""
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
