"""A full disk: every command says so in one line and resumes when there is room; a server serves on.

The disks are small file systems in memory, mounted for a test; where that is not permitted the tests are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.pyramid.ingest.convert import Storage, convert
from tests.faults.server import COMMAND, compare, here, serving, tile_paths, undisturbed, wait_for
from tests.faults.stores import write_source
from tests.pyramid.netcdf import TIME, centres, write_grid
from tests.web import Response
from tests.web import serving as web_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NO_SPACE = "No space left on device"


class SmallDisk:
    """A file system of a given size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._mount("size=1m")

    def _mount(self, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()[:100]}")

    def resize(self, kilobytes: int) -> None:
        self._mount(f"remount,size={kilobytes}k")

    def fill(self) -> None:
        """Take all the room that is left."""
        block = bytes(4096)
        with (self.folder / "filler").open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(block)
                except OSError:
                    return

    def empty(self) -> None:
        """Free what ``fill`` took."""
        (self.folder / "filler").unlink()

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of 1 MiB."""
    found = SmallDisk(tmp_path / "disk")
    try:
        yield found
    finally:
        found.unmount()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("source") / "source.nc")


@pytest.fixture(scope="module")
def sound_conversion(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a conversion with room."""
    folder = tmp_path_factory.mktemp("sound")
    convert(source, folder, "x")
    return contents(folder / "x.zarr")


@pytest.fixture(scope="module")
def sound_mrfs(sound_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an export with room."""
    folder = tmp_path_factory.mktemp("sound")
    assert here("mrf", "files", folder, "--store", sound_store, "--engine", "threads") == 0
    return contents(folder)


def command(*arguments: object) -> tuple[int, str, str]:
    """Run a command and return its exit code and what it wrote."""
    done = subprocess.run([*COMMAND, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    # Where the native kernel is not built, a command that renders says so.
    lines = (line for line in done.stderr.splitlines(keepends=True) if "lazytile.pyramid.kernel" not in line)
    return done.returncode, done.stdout, "".join(lines)


def says_so(result: tuple[int, str, str], code: int = 2, reason: str = NO_SPACE) -> str:
    """Check that a command failed with one line that names the reason, and return the line."""
    found, out, err = result
    assert (found, out) == (code, ""), result
    assert err.startswith("lazytile: "), err
    assert err.count("\n") == 1, err
    assert reason in err, err
    return err


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its path; without what depends on a dataset's random generation."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "zarr.json" and "checksums" not in path.parts
    }


@pytest.mark.parametrize(
    "kilobytes", [4, pytest.param(400, marks=pytest.mark.slow), 1200, pytest.param(2600, marks=pytest.mark.slow)]
)
def test_convert(
    source: Path,
    sound_conversion: dict[str, bytes],
    disk: SmallDisk,
    table_row: Callable[..., None],
    kilobytes: int,
) -> None:
    disk.resize(kilobytes)
    store = disk.folder / "store"
    says_so(command("convert", source, "--store", store, "--name", "x"))
    assert not (store / "x.zarr").exists()
    assert {path.name[:16] for path in store.glob(".x*")} <= {".x.zarr.partial-"}
    disk.resize(100_000)
    assert command("convert", source, "--store", store, "--name", "x")[0] == 0
    assert contents(store / "x.zarr") == sound_conversion
    assert here("verify", "x", "--store", store) == 0
    assert [path.name for path in store.iterdir()] == ["x.zarr"], "nothing else is left"
    if kilobytes == 1200:
        table_row("full disk in convert", "file system of 1.2 MB", "one line, exit 2; a rerun resumes", None)


def test_append(source: Path, disk: SmallDisk, tmp_path: Path, table_row: Callable[..., None]) -> None:
    more = tmp_path / "more.nc"

    codes = np.random.default_rng(3).integers(0, 9000, (1, 600, 1200)).astype("int16")
    write_grid(
        more,
        codes,
        centres(90, -0.3, 600),
        centres(-180, 0.3, 1200),
        leading={"time": ([9], TIME)},
        fill=-32768,
        attributes={"units": "K", "scale_factor": 0.01},
    )
    disk.resize(100_000)
    store = disk.folder / "store"
    convert(source, store, "x")
    before = contents(store / "x.zarr")
    used = sum(path.stat().st_blocks * 512 for path in store.rglob("*"))
    disk.resize(used // 1024 + 600)
    says_so(command("append", more, "x", "--store", store))
    assert contents(store / "x.zarr") == before, "the dataset is as it was"
    disk.resize(100_000)
    assert command("append", more, "x", "--store", store)[0] == 0
    assert [path.name for path in store.iterdir()] == ["x.zarr"]
    assert here("verify", "x", "--store", store) == 0
    table_row("full disk in append", "file system with 0.6 MB of room", "one line, exit 2; the old state stays", None)


@pytest.mark.parametrize(
    "kilobytes", [4, 60, pytest.param(400, marks=pytest.mark.slow), pytest.param(600, marks=pytest.mark.slow)]
)
def test_mrf(
    sound_store: Path,
    sound_mrfs: dict[str, bytes],
    disk: SmallDisk,
    table_row: Callable[..., None],
    kilobytes: int,
) -> None:
    arguments = ("--store", sound_store, "--engine", "threads")
    disk.resize(kilobytes)
    out = disk.folder / "out"
    says_so(command("mrf", "files", out, *arguments))
    for path in out.glob("*.mrf"):
        assert here("mrf", "verify", path) == 0, "what has its name is whole"
    assert all(path.name.endswith(".part") or path.with_suffix(".mrf").exists() for path in out.iterdir())
    disk.resize(100_000)
    assert command("mrf", "files", out, *arguments)[0] == 0
    assert contents(out) == sound_mrfs
    if kilobytes == 60:
        table_row("full disk in mrf", "file system of 60 kB", "one line, exit 2; a rerun resumes", None)


@pytest.mark.parametrize(("kind", "package"), [("mbtiles", "sqlite3"), ("pmtiles", "pmtiles"), ("cog", "rasterio")])
@pytest.mark.parametrize("kilobytes", [60, 700, pytest.param(1300, marks=pytest.mark.slow)])
def test_export(
    sound_store: Path, disk: SmallDisk, table_row: Callable[..., None], kind: str, package: str, kilobytes: int
) -> None:
    pytest.importorskip(package)
    disk.resize(kilobytes)
    out = disk.folder / "out"
    arguments = ("export", "files", out, "--to", kind, "--store", sound_store, "--time", "2001-01-01")
    result = command(*arguments)
    if kind == "cog" and kilobytes == 1300:
        assert result[0] == 0
        return
    says_so(result, reason=f"{'.mrf' if kilobytes == 60 else ''}")
    assert [path.name for path in out.iterdir()] == [f".files.{kind}.work"]
    disk.resize(100_000)
    assert command(*arguments)[0] == 0
    assert len(list(out.iterdir())) == 1
    if kilobytes == 700:
        table_row(
            f"full disk in export --to {kind}", "file system of 0.7 MB", "one line, exit 2; a rerun resumes", None
        )


@pytest.mark.parametrize("kilobytes", [4, 300])
def test_warm(sound_store: Path, disk: SmallDisk, table_row: Callable[..., None], kilobytes: int) -> None:
    disk.resize(kilobytes)
    arguments = ("warm", "files", "--store", sound_store, "--cache", disk.folder / "cache", "--zoom", "0-4")
    code, out, err = command(*arguments, "--engine", "threads")
    assert (code, out) == (1, ""), err
    assert "cannot be written" in err.splitlines()[-1]
    assert "of 341 tiles are done" in err.splitlines()[-1]
    assert len(err.splitlines()) < 12
    disk.resize(100_000)
    code, out, err = command(*arguments, "--engine", "threads")
    assert (code, err) == (0, "")
    assert out.startswith("341 tiles: ")
    table_row(f"full disk in warm, {kilobytes} kB", "file system of that size", "says so, exit 1", None)


def test_a_download(source: Path, disk: SmallDisk, tmp_path: Path) -> None:
    disk.resize(200)
    with web_server() as web:
        web.responses["/a.nc"] = Response(source.read_bytes(), etag='"1"')
        store = disk.folder / "store"
        says_so(command("convert", web.url("/a.nc"), "--store", store))
        disk.resize(100_000)
        assert command("convert", web.url("/a.nc"), "--store", store)[0] == 0
        assert any(web.headers("/a.nc", "Range")), "the download was resumed"


FETCH = """
import asyncio, sys
from pathlib import Path
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.library.online import OnlineColormaps, OnlineSource
folder, url = Path(sys.argv[1]), sys.argv[2]
online = OnlineColormaps(folder, (OnlineSource(url, ".xml"),), allow_loopback_http=True)
try:
    print(asyncio.run(online.fetch("a")).outcome)
except ColormapError as error:
    sys.exit(f"lazytile: {error}")
"""


def test_colormap_fetch(disk: SmallDisk, table_row: Callable[..., None]) -> None:
    entries = "".join(f'<ColorMapEntry rgb="1,2,3" value="[{at},{at + 1})"/>' for at in range(2000))
    with web_server() as web:
        web.responses["/a.xml"] = Response(f"<ColorMap>{entries}</ColorMap>".encode())
        run = [COMMAND[0], "-c", FETCH, str(disk.folder), web.url("/")]
        disk.fill()
        done = subprocess.run(run, check=False, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout) == (1, "")
        assert NO_SPACE in done.stderr
        assert done.stderr.count("\n") == 1
        assert [path.name for path in disk.folder.iterdir()] == ["filler"]
        disk.empty()
        done = subprocess.run(run, check=False, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout) == (0, "new\n")
    table_row("full disk in colormap fetch", "file system without room", "one line; nothing is left", None)


def test_lazy_overviews_are_served_without_being_stored(
    source: Path, disk: SmallDisk, tmp_path: Path, table_row: Callable[..., None]
) -> None:
    convert(source, tmp_path / "sound", "lazy", storage=Storage(lazy=True))
    paths = tile_paths("lazy", range(3))
    shutil.copytree(tmp_path / "sound", tmp_path / "truth")
    truth = undisturbed(tmp_path / "truth", tmp_path, paths)
    disk.resize(100_000)
    store = disk.folder / "store"
    shutil.copytree(tmp_path / "sound", store)
    used = sum(path.stat().st_blocks * 512 for path in store.rglob("*"))
    disk.resize(used // 1024 + 64)
    disk.fill()
    options = ("--memory", "0", "--no-tile-cache")
    with serving(store, tmp_path / "cache", *options) as server:
        began = time.monotonic()
        seen = [compare(server, truth) for _ in range(3)]
        assert [each.refused + each.wrong for each in seen] == [[], [], []]
        lines = server.log().count("are computed, but not stored")
        assert 1 <= lines <= 1 + (time.monotonic() - began) / 60, "one a minute"
        assert server.condition(NO_SPACE)["ready"] is True
        assert server.get("/readyz").status == 200
        assert "is damaged" not in server.log(), "a chunk that cannot be stored is none that was lost"
        disk.resize(100_000)
        repaired = time.monotonic()
        wait_for(lambda: compare(server, truth).right and not server.conditions())
        healed = time.monotonic() - repaired
        after = compare(server, truth)
    assert here("verify", "lazy", "--store", store) == 0
    table_row(
        "full disk, lazy overviews", "store without room", "right tiles, computed each time", healed, *seen, after
    )
