"""The engine has work throughout an export, and never more of it than has room."""

from lazytile.pyramid.engines.threads import ThreadsBulkEngine
from lazytile.pyramid.mrf.export import export_mrf
from lazytile.pyramid.mrf.options import ExportOptions
from tests.pyramid.mrf.stores import export, style, write_store
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


def export_with(engine, store, out):
    (layer,) = store.layers()
    with engine:
        return export_mrf(store.folder, layer, style(), out, engine=engine, options=ExportOptions(**OPTIONS))


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
