"""The engine has work throughout an export of any number of MRFs, and never more of it than has room."""

import numpy as np
import pytest

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.engines.threads import ThreadsBulkEngine
from lazytile.pyramid.mrf.export import export_mrf
from lazytile.pyramid.mrf.options import ExportOptions
from lazytile.pyramid.mrf.reader import read_header
from lazytile.pyramid.mrf.writer import MrfWriter
from lazytile.pyramid.store.dataset import Dimension
from tests.pyramid.mrf.stores import export, field, style, write_store
from tests.pyramid.mrf.test_sparse import pages_of, sparse

OPTIONS = {"tms": "GoogleMapsCompatible_Level3", "page": 64}
EVERYWHERE = [(row, col) for row in range(0, 1024, 16) for col in range(0, 2048, 16)]


class CountingEngine(ThreadsBulkEngine):
    """Counts calls of map and the jobs that they draw; the result of the first job can be late."""

    def __init__(self, late: bool) -> None:
        super().__init__(1)
        self.late = late
        self.drawn = []

    def map(self, function, items, **options):
        self.drawn.append(0)
        numbers = []

        def counted():
            for item in items:
                self.drawn[-1] += 1
                numbers.append(item.number)
                yield item

        results = super().map(function, counted(), **options)
        late = []
        for result in results:
            if self.late and result.number == numbers[0]:
                late.append(result)
            else:
                yield result
        yield from late


def export_with(engine, store, out, options=OPTIONS):
    (layer,) = store.layers()
    with engine:
        return export_mrf(store.folder, layer, style(), out, engine=engine, options=ExportOptions(**options))


def test_the_engine_is_not_drained_between_jobs(tmp_path):
    store = write_store(tmp_path, sparse(1024, 2048, EVERYWHERE))
    engine = CountingEngine(late=False)
    (made,) = export_with(engine, store, tmp_path / "out")
    assert len(engine.drawn) == 1
    assert engine.drawn[0] > 60
    (wanted,) = export(store, tmp_path / "wanted", **OPTIONS)
    assert pages_of(made.path) == pages_of(wanted.path)


def test_no_job_begins_where_the_oldest_is_too_late(tmp_path):
    store = write_store(tmp_path, sparse(1024, 2048, EVERYWHERE))
    engine = CountingEngine(late=True)
    (made,) = export_with(engine, store, tmp_path / "out")
    assert max(engine.drawn) == 24
    assert len(engine.drawn) > 1
    (wanted,) = export(store, tmp_path / "wanted", **OPTIONS)
    assert pages_of(made.path) == pages_of(wanted.path)


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """A store of 30 days, each of one job for each level."""
    labels = tuple(f"2019-01-{day:02d}T00:00:00Z" for day in range(1, 31))
    codes = np.stack([field(100, 200, seed) for seed in range(30)])
    return write_store(tmp_path_factory.mktemp("days"), codes, dimensions=(Dimension("time", "time", labels),))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_engine_is_not_drained_between_mrfs(days, tmp_path):
    engine = CountingEngine(late=False)
    made = export_with(engine, days, tmp_path / "out", {})
    assert len(engine.drawn) == 1
    assert [each.path.name for each in made] == [f"sst-2019{day:03d}000000.mrf" for day in range(1, 31)]
    (tmp_path / "single").mkdir()
    for each in made:
        (alone,) = export(days, tmp_path / "single", select={"time": [f"2019-01-{int(each.path.stem[8:11]):02d}"]})
        assert (alone.tiles, alone.data_bytes) == (each.tiles, each.data_bytes)
    assert contents(tmp_path / "out") == contents(tmp_path / "single")


def test_mrfs_before_one_that_cannot_be_written_are_finished(days, tmp_path):
    export(days, tmp_path / "whole")
    out = tmp_path / "out"
    (third,) = export(days, out, select={"time": ["2019-01-03"]})
    path, header = third.path, third.path.read_bytes()
    path.unlink()
    (out / "x.mrf").write_bytes(header)
    with MrfWriter(path, read_header(out / "x.mrf")), pytest.raises(MrfError, match="written by another process"):
        export(days, out)
    (out / "x.mrf").unlink()
    for day in (1, 2):
        assert (out / f"sst-2019{day:03d}000000.mrf").exists()
    assert not (out / "sst-2019004000000.mrf").exists()
    export(days, out)
    assert contents(out) == contents(tmp_path / "whole")
