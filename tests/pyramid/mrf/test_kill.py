"""After kill -9 at random moments the next run resumes and gives the bytes of an undisturbed one."""

import multiprocessing
import random
import shutil
import time

import numpy as np

from lazytile.pyramid.mrf import writer as mrf_write
from lazytile.pyramid.mrf.check import inspect_mrf
from lazytile.pyramid.store.dataset import Dimension
from lazytile.pyramid.store.store import Store
from tests.pyramid.mrf.stores import export, field, write_store

KILLS = 10
DAYS = Dimension("time", "time", ("2019-01-01T00:00:00Z", "2019-01-02T00:00:00Z"))
OPTIONS = {"share_pages": True, "as_slices": True}


def run_slowly(folder, begun):
    """Export with a flush after every page, so that kills hit every action of a writer."""
    mrf_write.CHECKPOINT_BYTES = 1

    def progress(_):
        begun.set()
        time.sleep(0.01)

    export(Store(folder), folder / "out", threads=1, progress=progress, **OPTIONS)


def contents(folder):
    """Every file; of the .zdb all but bytes 96 to 99, where SQLite notes its own version (its file format, 1.3).

    eccodes, where an earlier test has loaded it, puts another SQLite into this process than the killed ones have.
    """
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {name: data[:96] + data[100:] if name.endswith(".zdb") else data for name, data in files.items()}


def test_killed_ten_times(tmp_path):
    moments = random.Random(5)
    codes = np.stack([field(700, 2000, seed) for seed in (1, 2)])
    store = write_store(tmp_path, codes, dimensions=(DAYS,))
    export(store, tmp_path / "undisturbed", **OPTIONS)
    undisturbed = contents(tmp_path / "undisturbed")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lazytile.pyramid.mrf.export", "tests.pyramid.mrf.stores"])
    out = tmp_path / "out"
    killed = resumed = 0
    while killed < KILLS:
        begun = context.Event()
        process = context.Process(target=run_slowly, args=(tmp_path, begun))
        process.start()
        assert begun.wait(60)
        process.join(moments.uniform(0.0, 0.15))
        if process.exitcode is None:
            process.kill()
            process.join()
            killed += 1
            index = out / ".sst.idx.part"
            resumed += index.exists() and index.stat().st_size > 0
        else:
            assert process.exitcode == 0
            assert contents(out) == undisturbed
            shutil.rmtree(out)
        for path in out.glob("*.mrf") if out.exists() else ():
            assert not inspect_mrf(path, decode=True).problems, "what has its name is whole"
        process.close()
    reports = []
    export(store, out, progress=reports.append, **OPTIONS)
    assert contents(out) == undisturbed
    assert set(undisturbed) == {"sst.mrf", "sst.idx", "sst.ppg", "sst.crc", "sst.zdb"}
    assert resumed >= 3, "kills fell into the writing"
