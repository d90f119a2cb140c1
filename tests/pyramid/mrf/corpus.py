"""Hostile and damaged MRFs, generated so that every run of the tests has the same ones.

``corpus(folder)`` writes them and yields a name and the path of each .mrf file.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lazytile.pyramid.mrf.model import Compression
from tests.pyramid.mrf.stores import export, field, mrf_text, write_mrf, write_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HUGE = (1 << 63, (1 << 63) + 7, (1 << 64) - 1)
MUTATIONS = 12
"""Damaged copies of each sound MRF."""


def corpus(folder: Path, compressions: list) -> Iterator[tuple[str, Path]]:
    """Write each MRF to its own folder below ``folder``."""
    for number, (name, text, records, data) in enumerate(_hostile()):
        target = folder / f"{number}"
        target.mkdir(parents=True)
        path = write_mrf(target, "", records, data)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        yield name, path
    yield from _mutated(folder, compressions)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, rows: bytes, extra: bytes = b"") -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
    palette = _chunk(b"PLTE", bytes(768))
    return b"\x89PNG\r\n\x1a\n" + header + extra + palette + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _zen(mask: bytes) -> bytes:
    """A JPEG of 256 x 256 with this content in its APP3 segment, with any claimed length."""
    stream = io.BytesIO()
    Image.new("L", (256, 256), 200).save(stream, "JPEG")
    jpeg, content = stream.getvalue(), b"Zen\0" + mask
    return jpeg[:20] + b"\xff\xe3" + struct.pack(">H", len(content) + 2) + content + jpeg[20:]


def _masks() -> Iterator[tuple[str, bytes]]:
    """Zen masks that do not fit a page of 256 x 256, whose mask has 8192 bytes."""
    whole = b"\x01\x01\x03\x1d\x00\x00"  # the mark, a run of 768 + 7424 zeros
    yield "cut", _zen(whole[:-1])
    yield "that stops", _zen(b"\x01" + bytes(8191))
    yield "with a byte too many", _zen(whole + b"\0")
    yield "with a run too long", _zen(b"\x01\x01\x03\x1d\x01\x00")
    yield "that explodes", _zen(b"\x01" + b"\x01\x03\xff\xff\x00" * 13_000)  # 860 MB
    yield "of only a mark", _zen(b"\x01")
    yield "past the end", _zen(whole).split(b"Zen")[0] + b"Zen\0" + whole


def _hostile() -> Iterator[tuple[str, str | bytes, list[tuple[int, int]], bytes]]:
    plain = mrf_text((512, 512), 256)
    count = 5
    page = _png(256, 256, bytes(257 * 256))
    for value in HUGE:
        yield f"offset {value}", plain, [(value, 10)] * count, page
        yield f"size {value}", plain, [(0, value)] * count, page
        yield f"both {value}", plain, [(value, value)] * count, page
    yield "offset past the end", plain, [(len(page), 10)] * count, page
    yield "one byte past the end", plain, [(1, len(page))] * count, page
    yield "overlapping", plain, [(at, len(page) - at) for at in range(count)], page
    yield "all at one offset", plain, [(0, len(page))] * count, page
    yield "index too short", plain, [(0, 0)] * (count - 1), page
    yield "index too long", plain, [(0, 0)] * (count + 1), page
    yield "page of another size", plain, [(0, len(page))] * count, _png(512, 256, bytes(513 * 256))
    yield "page that claims a continent", plain, [(0, 1200)] * count, _png(1 << 30, 1 << 30, bytes(257 * 256))
    yield "page without pixels", plain, [(0, 900)] * count, _png(256, 256, b"")
    bomb = _png(256, 256, bytes(64 << 20))
    yield "page with too many pixels", plain, [(0, len(bomb))] * count, bomb
    text = _chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(64 << 20)))
    bomb = _png(256, 256, bytes(257 * 256), text)
    yield "page with a text that explodes", plain, [(0, len(bomb))] * count, bomb
    profile = _chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(64 << 20)))
    bomb = _png(256, 256, bytes(257 * 256), profile)
    yield "page with a colour profile that explodes", plain, [(0, len(bomb))] * count, bomb
    yield "no page at all", plain, [(0, 10)] * count, b"0123456789"
    jpeg = plain.replace("PPNG", "JPEG").replace("</Raster>", "<DataFile>hostile.ppg</DataFile></Raster>")
    for name, data in _masks():
        yield f"Zen mask {name}", jpeg, [(0, len(data))] * count, data
    for size in ((1 << 31, 10), (1 << 62, 1 << 62), (0, 10), (-5, 10), (10**30, 1)):
        yield f"Size {size}", mrf_text(size, 256), [(0, 0)] * count, page
    yield "Size as large as can be", mrf_text(((1 << 31) - 1, (1 << 31) - 1), 256), [(0, 0)] * count, page
    for side in (0, -1, 1 << 20, 1 << 31, 10**40):
        yield f"PageSize {side}", mrf_text((512, 512), side), [(0, 0)] * count, page
    yield "bands beyond counting", plain.replace('c="1"', 'c="4294967295"'), [(0, 0)] * count, page
    entities = '<!DOCTYPE x [<!ENTITY a "' + "b" * 1000 + '">]>'
    yield "document type", entities + plain, [(0, 0)] * count, page
    yield "document type inside", plain.replace("<Raster>", entities + "<Raster>"), [(0, 0)] * count, page
    yield "entity", plain.replace("PPNG", "&a;"), [(0, 0)] * count, page
    yield "deep", "<MRF_META>" + "<a>" * 100_000 + "</a>" * 100_000 + "</MRF_META>", [], page
    yield "wide", plain.replace("<Raster>", "<Raster>" + "<a/>" * 200_000), [(0, 0)] * count, page
    yield "long number", mrf_text(("9" * 500_000, 1), 256), [(0, 0)] * count, page
    yield "long name", plain.replace("<Raster>", f"<Raster {'a' * 500_000}='1'>"), [(0, 0)] * count, page
    yield "endless", plain + " " * (2 << 20), [(0, 0)] * count, page
    yield "no text", b"<MRF_META>\xff\xfe\x00" * 10, [], page
    palette = "<Palette>" + "<Entry c1='1'/>" * 100_000 + "</Palette>"
    yield "palette without end", plain.replace("</Raster>", palette + "</Raster>"), [(0, 0)] * count, page
    for name in ("/etc/passwd", "../x.ppg", "a/b", "//host/x", "x:y", "\n"):
        there = f"<DataFile>{name}</DataFile>"
        yield f"data file {name!r}", plain.replace("</Raster>", there + "</Raster>"), [(0, 0)] * count, page
    source = "<CachedSource><Source>http://127.0.0.1/x</Source></CachedSource>"
    yield "cached source", plain.replace("<Raster>", source + "<Raster>"), [(0, 0)] * count, page


def _mutated(folder: Path, compressions: list) -> Iterator[tuple[str, Path]]:
    """Sound MRFs with bytes changed, removed and inserted, in each of the three files."""
    random = np.random.default_rng(7)
    (folder / "store").mkdir()
    store = write_store(folder / "store", field(300, 400))
    kinds = [(compression.name, {"compression": compression}) for compression in compressions]
    kinds.append(("Zen", {"compression": Compression.JPEG, "zen": True}))
    for kind, options in kinds:
        (summary,) = export(store, folder / "sound" / kind, **options)
        files = sorted(summary.path.parent.iterdir())
        for number in range(MUTATIONS):
            target = folder / "mutated" / f"{kind}-{number}"
            target.mkdir(parents=True)
            victim = files[number % len(files)]
            for file in files:
                data = bytearray(file.read_bytes())
                if file == victim:
                    for _ in range(int(random.integers(1, 20))):
                        at = int(random.integers(len(data)))
                        data[at] = int(random.integers(256))
                    if number % 4 == 3:
                        at = int(random.integers(len(data)))
                        del data[at : at + int(random.integers(1, 100))]
                (target / file.name).write_bytes(data)
            yield f"{kind} with {victim.suffix} damaged, {number}", target / summary.path.name
