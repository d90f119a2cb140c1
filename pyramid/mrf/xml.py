"""The .mrf file: formatting a header as XML, and parsing it. Files are untrusted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lxml import etree

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import Bounds, Shape
from lazytile.pyramid.mrf.model import MAX_LENGTH, Compression, MrfHeader

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_BYTES = 1 << 20
"""A header has some 15 kB, most of it palette."""
FIRST_BYTES = b"<MRF_META>"
"""GDAL recognizes an MRF by exactly these: no XML declaration, no white space before them."""
PALETTE_SIZE = 256
DEFAULT_PAGE = 512
DEFAULT_QUALITY = 85
NOTES = "Lazytile"

_DTYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "uint64": "UInt64",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}


def format_header(header: MrfHeader) -> bytes:
    """Format the content of a .mrf file. Everything is spelled out, also GDAL's defaults.

    Args:
        header: Of the MRF.

    Returns:
        The content.
    """
    root = etree.Element("MRF_META")
    _add_raster(root, header)
    if header.has_overviews:
        etree.SubElement(root, "Rsets", model="uniform", scale=str(header.scale))
    tags = etree.SubElement(root, "GeoTags")
    if header.bounds is not None:
        edges = header.bounds
        box = {"minx": edges.west, "miny": edges.south, "maxx": edges.east, "maxy": edges.north}
        etree.SubElement(tags, "BoundingBox", {name: _number(value) for name, value in box.items()})
    _add_text(tags, "Projection", header.projection)
    _add_text(root, "Options", " ".join(f"{name}:{value}" for name, value in header.options))
    if header.notes:
        etree.SubElement(root, NOTES, dict(header.notes))
    return etree.tostring(root, encoding="ascii", xml_declaration=False, pretty_print=True)


def _add_raster(root: etree._Element, header: MrfHeader) -> None:
    raster = etree.SubElement(root, "Raster")
    _add_text(raster, "DataFile", header.data_file)
    size = etree.SubElement(raster, "Size", x=str(header.size.cols), y=str(header.size.rows))
    if header.slices > 1:
        size.set("z", str(header.slices))
    size.set("c", str(header.bands))
    page = {"x": str(header.page.cols), "y": str(header.page.rows), "c": str(header.page_bands)}
    etree.SubElement(raster, "PageSize", page)
    _add_text(raster, "Compression", header.compression.name)
    _add_text(raster, "DataType", _DTYPES[header.dtype])
    if header.nodata:
        etree.SubElement(raster, "DataValues", NoData=" ".join(map(_number, header.nodata)))
    _add_text(raster, "Quality", "" if header.quality is None else str(header.quality))
    _add_text(raster, "Photometric", header.photometric)
    _add_text(raster, "NetByteOrder", "TRUE" if header.is_big_endian else "")
    if header.palette:
        palette = etree.SubElement(raster, "Palette", Size=str(len(header.palette)))
        for colour in header.palette:
            etree.SubElement(palette, "Entry", {f"c{at}": str(value) for at, value in enumerate(colour, start=1)})


def _add_text(parent: etree._Element, name: str, text: str) -> None:
    if text:
        etree.SubElement(parent, name).text = text


def parse_header(content: bytes, name: str) -> MrfHeader:
    """Parse the content of a .mrf file.

    Refused are caching and cloning MRFs (which read other files), versioned ones, data or index at an offset or under
    another path, entities, and sizes out of range.

    Args:
        content: Of the file.
        name: Of the file, for messages.

    Returns:
        The header.

    Raises:
        MrfError: The content is not that of a plain MRF.
    """
    root = _parse(content, name)
    try:
        return _header(root)
    except MrfError as error:
        raise MrfError(f"{name}: {error}") from error


def file_names(content: bytes, name: str, compression: Compression) -> tuple[str, str]:
    """Return the bare names of the data and the index file.

    Args:
        content: Of the .mrf file.
        name: Of the .mrf file.
        compression: Of the pages.

    Returns:
        Name of the data file and of the index file, both beside the .mrf file.
    """
    root = _parse(content, name)
    stem = name.removesuffix(".mrf")
    return (
        _bare(root, "Raster/DataFile", name) or f"{stem}.{compression.extension}",
        _bare(root, "Raster/IndexFile", name) or f"{stem}.idx",
    )


def _parse(content: bytes, name: str) -> etree._Element:
    if len(content) > LIMIT_BYTES:
        raise MrfError(f"{name}: an MRF header has at most {LIMIT_BYTES} bytes")
    # Such a document has no document type declaration, thus no entities of its own.
    if not content.startswith(FIRST_BYTES):
        raise MrfError(f"{name}: not an MRF, it does not start with {FIRST_BYTES.decode()}")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise MrfError(f"{name}: not well-formed XML: {' '.join(str(error).split())}") from error


def _bare(root: etree._Element, path: str, name: str) -> str | None:
    element = root.find(path)
    if element is None:
        return None
    given = (element.text or "").strip()
    if element.get("offset", "0") != "0":
        raise MrfError(f"{name}: a {path} with an offset is not supported")
    if not given or given in {".", ".."} or any(letter in given for letter in "/\\\0:"):
        raise MrfError(f"{name}: {path} {given!r} must be the bare name of a file beside it")
    return given


def _header(root: etree._Element) -> MrfHeader:
    if root.find("CachedSource") is not None:
        raise MrfError("a caching or cloning MRF reads other files and is not supported")
    raster = root.find("Raster")
    if raster is None or raster.find("Size") is None:
        raise MrfError("an MRF header needs a Raster with a Size")
    if raster.get("versioned", "off").lower() not in {"off", "false", "no", "0"}:
        raise MrfError("a versioned MRF is not supported")
    cols, rows, slices, bands = (
        _integer(raster, "Size", axis, default) for axis, default in (("x", None), ("y", None), ("z", 1), ("c", 1))
    )
    page_cols = _integer(raster, "PageSize", "x", min(DEFAULT_PAGE, cols))
    page_rows = _integer(raster, "PageSize", "y", min(DEFAULT_PAGE, rows))
    dtype = _text(raster, "DataType") or "Byte"
    found = [ours for ours, theirs in _DTYPES.items() if theirs.lower() == dtype.lower()]
    if not found:
        raise MrfError(f"DataType {dtype!r} is not supported, it may be {', '.join(_DTYPES.values())}")
    rsets = root.find("Rsets")
    if rsets is not None and rsets.get("model", "uniform") != "uniform":
        raise MrfError(f"Rsets model {rsets.get('model')!r} is not supported, it may be uniform")
    values = raster.find("DataValues")
    notes = root.find(NOTES)
    quality = _text(raster, "Quality")
    return MrfHeader(
        Shape(rows, cols),
        Shape(page_rows, page_cols),
        Compression.parse(_text(raster, "Compression") or "PNG"),
        found[0],
        bands,
        _integer(raster, "PageSize", "c", bands),
        slices,
        # GDAL treats an empty element as absent.
        has_overviews=rsets is not None and (len(rsets.attrib) > 0 or len(rsets) > 0),
        scale=2 if rsets is None else _whole(rsets.get("scale", "2"), "Rsets scale"),
        nodata=() if values is None else _numbers(values.get("NoData", ""), "NoData"),
        palette=_palette(raster),
        bounds=_bounds(root),
        projection=_text(root, "GeoTags/Projection"),
        quality=_whole(quality, "Quality") if quality else None,
        photometric=_text(raster, "Photometric"),
        is_big_endian=_text(raster, "NetByteOrder").upper() in {"TRUE", "YES", "ON", "1"},
        options=_options(_text(root, "Options")),
        data_file=_text(raster, "DataFile"),
        notes=() if notes is None else tuple((str(key), str(value)) for key, value in notes.attrib.items()),
    )


def _text(parent: etree._Element, path: str) -> str:
    return (parent.findtext(path) or "").strip()


def _integer(raster: etree._Element, element: str, axis: str, default: int | None) -> int:
    found = raster.find(element)
    given = None if found is None else found.get(axis)
    if given is not None:
        return _whole(given, f"{element} {axis}")
    if default is None:
        raise MrfError(f"{element} has no {axis}")
    return default


def _whole(text: str, what: str) -> int:
    digits = text.strip()
    # int() would take long for a hostile number of a million digits.
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) <= MAX_LENGTH):
        raise MrfError(f"{what} {text[:40]!r} is not a whole number from 0 to {MAX_LENGTH}")
    return int(digits)


def _numbers(text: str, what: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split())
    except ValueError as error:
        raise MrfError(f"{what} {text[:40]!r} is not a list of numbers") from error


def _palette(raster: etree._Element) -> tuple[tuple[int, int, int, int], ...]:
    palette = raster.find("Palette")
    if palette is None:
        return ()
    entries = palette.findall("Entry")
    if len(entries) > PALETTE_SIZE or any(entry.get("idx") is not None for entry in entries):
        raise MrfError(f"a palette has at most {PALETTE_SIZE} entries, in order and without idx")
    colours = []
    for entry in entries:
        channels = [_whole(entry.get(f"c{at}", "255" if at == 4 else "0"), f"palette c{at}") for at in range(1, 5)]
        if max(channels) > 255:
            raise MrfError(f"palette colour {channels} is out of range, it may be 0 to 255")
        colours.append((channels[0], channels[1], channels[2], channels[3]))
    return tuple(colours)


def _bounds(root: etree._Element) -> Bounds | None:
    box = root.find("GeoTags/BoundingBox")
    if box is None:
        return None
    edges: Sequence[float] = _numbers(
        " ".join(box.get(name, "?") for name in ("minx", "miny", "maxx", "maxy")), "BoundingBox"
    )
    if len(edges) != 4 or not all(map(math.isfinite, edges)):
        raise MrfError("a BoundingBox needs minx, miny, maxx and maxy")
    return Bounds(*edges)


def _options(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for word in text.split():
        name, _, value = word.replace("=", ":", 1).partition(":")
        pairs.append((name, value))
    return tuple(pairs)


def _number(value: float) -> str:
    """Return the shortest text that reads back as the same number."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
