"""The writer: an MRF is complete or absent, and has one writer at a time."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import Bounds, Shape
from lazytile.pyramid.mrf import writer as mrf_write
from lazytile.pyramid.mrf.model import Compression, MrfHeader
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.mrf.writer import MrfWriter
from lazytile.pyramid.render.image import encode_png8
from lazytile.pyramid.storage import writeback
from tests.pyramid.mrf.stores import export, field, write_store

RGBA = np.arange(1024, dtype=np.uint32).astype(np.uint8).reshape(256, 4)
COLOURS = tuple(tuple(colour) for colour in RGBA.tolist())


def header(rows, cols, **changes):
    fields = {
        "nodata": (0.0,),
        "palette": COLOURS,
        "bounds": Bounds(0.0, -1.0, 2.0, 1.0),
        "projection": "EPSG:4326",
    }
    return MrfHeader(Shape(rows, cols), Shape(64, 64), Compression.PPNG, **{**fields, **changes})


def page(value):
    return encode_png8(np.full((64, 64), value, np.uint8), RGBA)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_equal_pages_are_stored_once_if_wanted(tmp_path):
    path = tmp_path / "a.mrf"
    with MrfWriter(path, header(64, 256), share_pages=True) as writer:
        for value in (7, 7, 9, 7, 9, 7, 7):
            writer.add(page(value))
        writer.finish()
        assert writer.shared_pages == 5
    assert path.with_suffix(".ppg").read_bytes() == page(7) + page(9)
    with rasterio.open(path) as mrf:
        np.testing.assert_array_equal(mrf.read(1)[0, ::64], [7, 7, 9, 7])
    with MrfReader(path) as mrf:
        assert mrf.record(0, 0, 3) == mrf.record(0, 0, 0)


def test_pages_beyond_memory_are_stored_again_and_a_resumed_export_does_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(mrf_write, "SHARED_PAGES", 2)
    values = [1, 2, 3, 1, 1, 2, 3]
    for name, stops in (("whole", []), ("cut", [1, 3, 6])):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "a.mrf"
        for stop in [*stops, len(values)]:
            with MrfWriter(path, header(64, 256), share_pages=True) as writer:
                for value in values[writer.written : stop]:
                    writer.add(page(value))
                if stop == len(values):
                    writer.finish()
                    assert writer.shared_pages == 1
    assert files(tmp_path / "whole") == files(tmp_path / "cut")


def test_one_process_at_a_time(tmp_path):
    with MrfWriter(tmp_path / "a.mrf", header(64, 64)) as writer:
        with pytest.raises(MrfError, match="being written by another process"):
            MrfWriter(tmp_path / "a.mrf", header(64, 64))
        writer.add(page(1))
        writer.finish()


def test_missing_and_surplus_pages_are_errors(tmp_path):
    with MrfWriter(tmp_path / "a.mrf", header(64, 64)) as writer:
        with pytest.raises(MrfError, match="has 1 pages, only 0 were written"):
            writer.finish()
        writer.add(page(1))
        with pytest.raises(MrfError, match="has 1 pages, no other can be added"):
            writer.add(page(2))
    assert not (tmp_path / "a.mrf").exists()


def test_another_header_starts_over(tmp_path):
    path = tmp_path / "a.mrf"
    with MrfWriter(path, header(64, 192)) as writer:
        writer.add(page(1))
    with MrfWriter(path, header(64, 192, projection="EPSG:3857")) as writer:
        assert writer.written == 0
        for value in range(2, 8):
            writer.add(page(value))
        writer.finish()
    with MrfReader(path) as mrf:
        assert (mrf.pixels(0, 0, 0) == 2).all()


def test_data_without_its_record_and_a_record_without_its_data_are_dropped(tmp_path):
    path = tmp_path / "a.mrf"
    with MrfWriter(path, header(64, 192)) as writer:
        writer.add(page(1))
        writer.add(page(2))
    data, index = tmp_path / ".a.ppg.part", tmp_path / ".a.idx.part"
    data.write_bytes(data.read_bytes() + b"half a page")
    index.write_bytes(index.read_bytes() + b"half")
    with MrfWriter(path, header(64, 192)) as writer:
        assert (writer.written, writer.data_bytes) == (2, data.stat().st_size)
    data.write_bytes(data.read_bytes()[:-1])
    with MrfWriter(path, header(64, 192)) as writer:
        assert writer.written == 1
        for value in (2, 3, 4, 5, 6):
            writer.add(page(value))
        writer.finish()
    with MrfReader(path) as mrf:
        assert [int(mrf.pixels(0, 0, col)[0, 0, 0]) for col in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("calls", range(4))
def test_killed_while_the_files_get_their_names(tmp_path, monkeypatch, calls):
    store = write_store(tmp_path, field(300, 600))
    export(store, tmp_path / "whole")
    out = tmp_path / "out"
    out.mkdir()
    (out / "sst.idx").write_bytes(b"of an older one")
    names, rename = [], Path.replace

    def replace(self, target):
        if len(names) == calls:
            raise KeyboardInterrupt
        names.append(target.name)
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            export(store, out)
    assert not (out / "sst.mrf").exists()
    reports = []
    export(store, out, progress=reports.append)
    assert sum(progress.tiles_made for progress in reports) == 0, "everything existed"
    assert files(out) == files(tmp_path / "whole")


def test_a_renamed_data_file_that_is_not_ours_is_not_published(tmp_path):
    path = tmp_path / "a.mrf"
    with MrfWriter(path, header(64, 64)) as writer:
        writer.add(page(1))
    (tmp_path / ".a.ppg.part").unlink()
    (tmp_path / "a.ppg").write_bytes(b"something else")
    with MrfWriter(path, header(64, 64)) as writer:
        assert writer.written == 0
        writer.add(page(4))
        writer.finish()
    with MrfReader(path) as mrf:
        assert (mrf.pixels(0, 0, 0) == 4).all()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    with pytest.raises(MrfError, match=r"a\.mrf cannot be written: No such file or directory"):
        MrfWriter(tmp_path / "none" / "a.mrf", header(64, 64))


def test_parts_without_checksums_start_over(tmp_path):
    path = tmp_path / "a.mrf"
    with MrfWriter(path, header(64, 192)) as writer:
        writer.add(page(1))
        writer.add(page(2))
    (tmp_path / ".a.crc.part").unlink()  # an earlier version wrote none
    with MrfWriter(path, header(64, 192)) as writer:
        assert writer.written == 0
        for value in range(1, 7):
            writer.add(page(value))
        writer.finish()
    with MrfReader(path, needs_checksums=True) as mrf:
        assert [int(mrf.pixels(0, 0, col)[0, 0, 0]) for col in range(3)] == [1, 2, 3]


def test_an_export_without_checksums_or_with_other_ones_is_made_again(tmp_path):
    store = write_store(tmp_path, field(300, 600))
    export(store, tmp_path / "out")
    sound = files(tmp_path / "out")
    for spoil in (
        (tmp_path / "out" / "sst.crc").unlink,
        lambda: (tmp_path / "out" / "sst.crc").write_bytes(sound["sst.crc"][:-4]),
        lambda: (tmp_path / "out" / "sst.idx").write_bytes(bytes(len(sound["sst.idx"]))),
        lambda: (tmp_path / "out" / "sst.ppg").write_bytes(sound["sst.ppg"][:-1]),
    ):
        spoil()
        (summary,) = export(store, tmp_path / "out")
        assert not summary.was_complete
        assert files(tmp_path / "out") == sound
    (summary,) = export(store, tmp_path / "out")
    assert summary.was_complete


def test_empty_pages_in_bulk_are_those_one_by_one(tmp_path):
    for name in ("bulk", "single"):
        (tmp_path / name).mkdir()
        with MrfWriter(tmp_path / name / "a.mrf", header(64, 256)) as writer:
            writer.add(page(3))
            if name == "bulk":
                writer.add_empty(5)
            else:
                for _ in range(5):
                    writer.add(None)
            with pytest.raises(MrfError, match="has 7 pages, 2 more cannot be added"):
                writer.add_empty(2)
            writer.add(page(4))
            writer.finish()
            assert writer.empty_pages == 5
    assert files(tmp_path / "bulk") == files(tmp_path / "single")


@pytest.mark.parametrize("at", range(12))
def test_a_write_that_fails_anywhere_is_resumed(tmp_path, monkeypatch, at):
    """A full disk cuts writes short; what is there afterwards is what a rerun continues."""
    store = write_store(tmp_path, field(300, 600))
    export(store, tmp_path / "whole")
    monkeypatch.setattr(mrf_write, "CHECKPOINT_BYTES", 1)
    calls, write = [], mrf_write.os.pwrite

    def pwrite(descriptor, data, offset):
        calls.append(len(data))
        if len(calls) - 1 >= at:
            write(descriptor, bytes(data)[: len(data) // 2], offset)
            raise OSError(28, "No space left on device")
        return write(descriptor, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(mrf_write.os, "pwrite", pwrite)
        with pytest.raises(MrfError, match=r"sst\.mrf cannot be written: No space left on device"):
            export(store, tmp_path / "out")
    export(store, tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_data_are_on_their_way_to_the_disk_long_before_the_end(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(writeback, "begin_writeback", lambda _, offset, count: begun.append((offset, count)))
    noise = np.random.default_rng(1).bytes(1 << 20)
    with MrfWriter(tmp_path / "a.mrf", header(64, 64 * 20)) as writer:
        for _ in range(20):
            writer.add(noise)
    assert len(begun) >= 4
    ends = [offset + count for offset, count in begun]
    assert [offset for offset, _ in begun] == [0, *ends[:-1]]
    assert 16 << 20 <= ends[-1] <= 20 << 20
