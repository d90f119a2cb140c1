"""What a configuration of OnEarth's mrfgen requests of pictures, checked before any picture is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pyproj import CRS
from pyproj.exceptions import CRSError

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrfgen.elements import (
    COMPRESSIONS,
    MRFGEN_QUALITY,
    lookup,
    read_elements,
    real_number,
    target_extents,
    whole_number,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.core.grid import Bounds

MAX_PICTURES = 10_000
MAX_SLICES = 100_000
MIN_PAGE, MAX_PAGE = 64, 4096
LERC_ERROR = 0.001
"""Where ``quality_prec`` is absent, as in mrfgen."""
DETECT = "detect"
_EXTENTS = {"3857": "-20037508.34,-20037508.34,20037508.34,20037508.34"}
_EXTENTS |= dict.fromkeys(("3413", "3031"), "-4194304,-4194304,4194304,4194304")
_OVERVIEWS = {"nearest": "nearest", "nnb": "nnb", "average": "mean", "avg": "mean", "none": "", "": ""}
RESAMPLING = ("near", "bilinear", "cubic", "cubicspline", "lanczos", "average", "mode", "max", "min", "med", "q1", "q3")
"""gdalwarp's methods."""
_ENDINGS = {
    "JPEG": (".jpg",),
    "JPG": (".jpg",),
    "ZEN": (".jpg", ".png"),
    "PNG": (".png",),
    "PPNG": (".png",),
}
"""Of files in ``input_dir``, besides TIFF and MRF, by ``mrf_compression_type``."""
_USED = frozenset(
    {
        "parameter_name",
        "date_of_data",
        "time_of_data",
        "input_files",
        "input_dir",
        "output_dir",
        "mrf_name",
        "mrf_compression_type",
        "mrf_blocksize",
        "quality_prec",
        "outsize",
        "target_x",
        "target_y",
        "source_epsg",
        "target_epsg",
        "target_extents",
        "resize_resampling",
        "overview_resampling",
        "colormap",
        "vrtnodata",
        "background",
        "mrf_overwrite_colormap",
        "mrf_strict_palette",
        "mrf_nocopy",
        "mrf_noaddo",
        "mrf_z_levels",
        "mrf_z_key",
    }
)
_UNUSED = {
    "working_dir": "temporary files lie beside the result",
    "cache_dir": "temporary files lie beside the result",
    "logfile_dir": "messages are written to standard error",
    "mrf_empty_tile_filename": "pages without data are not stored",
    "empty_tile": "pages without data are not stored",
    "extents": "each picture states its own extent",
    "reprojection_resampling": "mrfgen reads it and reprojects by the nearest pixel",
    "overview_levels": "levels continue to a single page",
    "mrf_merge": "pictures are always merged, later ones above earlier ones",
    "mrf_parallel": "it does not change the picture",
    "mrf_cores": "it does not change the picture",
    "mrf_clean": "the data file has no gaps",
    "mrf_maxsize": "the data file has no gaps",
    "mrf_brunsli": "JPEG pages are plain JPEG, which every reader takes",
    "source_url": "it is not recorded",
}
_REFUSED = ("mrf_data_scale", "mrf_data_offset", "mrf_data_units")
_FALSE = "false"


@dataclass(frozen=True, slots=True)
class PictureJob:
    """The MRF of pictures that a configuration requests."""

    mrf: Path
    """To write, or to update."""
    pictures: tuple[Path, ...]
    """In the order in which they are laid on each other."""
    updates: bool
    """Whether ``mrf`` exists and the pictures are laid on it."""
    compression: Compression
    zen: bool
    quality: int
    max_error: float
    source_epsg: str
    """Code, or ``detect``."""
    epsg: str
    extents: Bounds
    width: int | None
    height: int | None
    page: int
    resize: str
    """gdalwarp's method; empty for the nearest pixel."""
    overviews: str
    """As in ``Halving.method``; empty for none."""
    colormap: Path | None
    overwrites_palette: bool
    is_strict: bool
    """Whether a colour that the colormap lacks is an error."""
    nodata: float | None
    background: str
    inserts: bool | None
    """Whether pictures are inserted one by one, as mrfgen does with ``mrf_nocopy``; None: it depends on them."""
    slices: int
    """0: no z axis."""
    key: str
    unused: tuple[str, ...]
    """One line for each element that changes nothing here."""


def read_picture_job(path: Path) -> PictureJob:
    """Read a configuration; relative names of files count from the current folder, as in mrfgen.

    Args:
        path: Of the XML file.

    Returns:
        The job.

    Raises:
        MrfError: An element is missing, or is not understood, or a file that it names does not exist.
    """
    elements = read_elements(path)
    texts = elements.texts

    def text(name: str, default: str = "") -> str:
        return texts.get(name, "") or default

    for name in ("parameter_name", "date_of_data", "output_dir", "mrf_blocksize", "mrf_compression_type"):
        if not text(name):
            raise MrfError(f"{path}: a mrfgen configuration needs {name}")
    refused = [name for name in _REFUSED if text(name)]
    if refused:
        raise MrfError(f"{path}: elements that are not supported: {', '.join(refused)}")
    kind = text("mrf_compression_type").upper()
    compression = lookup(path, "mrf_compression_type", kind, COMPRESSIONS)
    epsg = _code(path, "target_epsg", text("target_epsg", "4326"))
    source = text("source_epsg", "4326")
    resize = text("resize_resampling", "none").lower()
    if resize != "none" and resize not in RESAMPLING:
        raise MrfError(f"{path}: resize_resampling {resize[:40]!r} is not supported, it may be {', '.join(RESAMPLING)}")
    width, height = _size(path, texts)
    if resize != "none" and width is None:
        raise MrfError(f"{path}: target_x or outsize must be given with resize_resampling")
    page = whole_number(path, "mrf_blocksize", text("mrf_blocksize"))
    if page % 2 or not MIN_PAGE <= page <= MAX_PAGE:
        raise MrfError(f"{path}: mrf_blocksize {page} is not allowed, an even number from {MIN_PAGE} to {MAX_PAGE} is")
    inserts = None if not text("mrf_nocopy") else text("mrf_nocopy") == "true"
    overviews = lookup(path, "overview_resampling", text("overview_resampling", "nearest").lower(), _OVERVIEWS)
    colormap = text("colormap")
    if "://" in colormap:
        raise MrfError(f"{path}: colormap {colormap} is a URL, only a file can be read")
    quality, error = _precision(path, text("quality_prec"), compression)
    pictures, existing = _inputs(path, elements.files, text("input_dir"), kind)
    output = existing or Path(text("output_dir")) / _mrf_name(path, texts)
    return PictureJob(
        mrf=output,
        pictures=pictures,
        updates=existing is not None,
        compression=compression,
        zen=kind == "ZEN",
        quality=quality,
        max_error=error,
        source_epsg=DETECT if source == DETECT else _code(path, "source_epsg", source),
        epsg=epsg,
        extents=target_extents(path, text("target_extents", _EXTENTS.get(epsg, "-180,-90,180,90"))),
        width=width,
        height=height,
        page=page,
        resize="" if resize in ("none", "near") else resize,
        overviews=overviews,
        colormap=Path(colormap) if colormap else None,
        overwrites_palette=text("mrf_overwrite_colormap", _FALSE) != _FALSE,
        is_strict=text("mrf_strict_palette", _FALSE) != _FALSE,
        nodata=real_number(path, "vrtnodata", text("vrtnodata")) if text("vrtnodata") else None,
        background=_background(path, text("background")),
        inserts=inserts,
        slices=_slices(path, text("mrf_z_levels")),
        key=text("mrf_z_key"),
        unused=_notes(path, texts),
    )


def _notes(path: Path, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Return a line for each element that changes nothing."""
    lines = [f"{name} is not used: {why}" for name, why in _UNUSED.items() if name in texts]
    lines += [f"{name} is not used: no mail is sent" for name in texts if name.startswith("email_")]
    unknown = [name for name in texts if name not in _USED and name not in _UNUSED and name not in _REFUSED]
    lines += [f"{name} is not used: mrfgen knows no such element" for name in unknown if not name.startswith("email_")]
    return tuple(f"{path.name}: {line}" for line in lines)


def _code(path: Path, name: str, text: str) -> str:
    code = text.upper().removeprefix("EPSG:")
    if not (code.isascii() and code.isdigit() and len(code) <= 6):
        raise MrfError(f"{path}: {name} {text[:40]!r} is no EPSG code")
    try:
        CRS.from_epsg(int(code))
    except CRSError as error:
        raise MrfError(f"{path}: {name} {text[:40]!r} is no EPSG code that is known") from error
    return code


def _size(path: Path, texts: Mapping[str, str]) -> tuple[int | None, int | None]:
    outsize = texts.get("outsize", "").replace(",", " ").split()
    width, height = outsize if len(outsize) == 2 else (texts.get("target_x", ""), texts.get("target_y", ""))
    return (
        whole_number(path, "target_x", width) or None if width else None,
        whole_number(path, "target_y", height) or None if height else None,
    )


def _slices(path: Path, text: str) -> int:
    if not text:
        return 0
    slices = whole_number(path, "mrf_z_levels", text)
    if not 1 <= slices <= MAX_SLICES:
        raise MrfError(f"{path}: mrf_z_levels {slices} is out of range, it may be 1 to {MAX_SLICES}")
    return slices


def _background(path: Path, text: str) -> str:
    if text not in ("", "black", "white", "transparent"):
        raise MrfError(f"{path}: background {text[:40]!r} is not supported, it may be black, white, transparent")
    return text


def _precision(path: Path, text: str, compression: Compression) -> tuple[int, float]:
    """Return JPEG's quality and LERC's error, which share one element."""
    if compression is Compression.LERC:
        return MRFGEN_QUALITY, real_number(path, "quality_prec", text) if text else LERC_ERROR
    is_jpeg = compression in (Compression.JPEG, Compression.JPNG)
    quality = whole_number(path, "quality_prec", text) if text and is_jpeg else MRFGEN_QUALITY
    return min(quality, 95), 0.0


def _mrf_name(path: Path, texts: Mapping[str, str]) -> str:
    """Return the name of the MRF by the convention of ``mrf_name``."""
    date, clock = texts["date_of_data"], texts.get("time_of_data", "")
    try:
        moment = datetime.strptime(f"{date}{clock}", "%Y%m%d%H%M%S" if clock else "%Y%m%d")  # noqa: DTZ007 - UTC
    except ValueError:
        raise MrfError(
            f"{path}: date_of_data is YYYYMMDD and time_of_data HHMMSS, got {date[:20]!r} {clock[:20]!r}"
        ) from None
    pattern = texts.get("mrf_name", "") or "{$parameter_name}%Y%j_.mrf"
    name = pattern.replace("{$parameter_name}", texts["parameter_name"])
    name = re.sub(r"%([YjHMSmd])", lambda match: moment.strftime(match[0]), name)
    if not name.endswith(".mrf") or "/" in name or "\\" in name or name.startswith("."):
        raise MrfError(f"{path}: mrf_name {pattern[:80]!r} is no file name that ends in .mrf")
    return name


def _inputs(path: Path, files: tuple[str, ...], folder: str, kind: str) -> tuple[tuple[Path, ...], Path | None]:
    """Return the pictures, sorted as mrfgen sorts them, and the MRF among them, which is updated."""
    found = [Path(file) for file in files]
    remote = [file for file in files if file.startswith("/vsi")]
    if remote:
        raise MrfError(f"{path}: input file {remote[0][:80]} is remote, only local files are read")
    if folder:
        if not Path(folder).is_dir():
            raise MrfError(f"{path}: there is no input_dir {folder}")
        endings = (*_ENDINGS.get(kind, ()), ".tif", ".tiff", ".mrf")
        found += [each for each in Path(folder).iterdir() if each.suffix in endings]
    missing = [each for each in found if not each.is_file()]
    if missing:
        raise MrfError(f"{path}: there is no input file {missing[0]}")
    if len(found) > MAX_PICTURES:
        raise MrfError(f"{path}: {len(found)} input files are too many, at most {MAX_PICTURES} are read")
    mrfs = [each for each in found if each.suffix.lower() == ".mrf"]
    if len(mrfs) > 1:
        raise MrfError(f"{path}: {len(mrfs)} input files are MRFs, at most one can be updated")
    pictures = tuple(sorted((each for each in found if each not in mrfs), key=str))
    return pictures, mrfs[0] if mrfs else None
