"""Hostile and damaged MRFs give MrfError or a page of the right shape, in bounded memory."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.check import inspect_mrf
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.reader import MrfReader
from tests.pyramid.mrf.corpus import corpus

MEMORY_BYTES = 256 << 20
"""Growth of the process: a page needs at most 16 times its 64 kB, libraries the rest."""


def read_all(path):
    """Read and decode every page; returns how many there were and what was wrong."""
    wrong = []
    good = 0
    with MrfReader(path) as mrf:
        for level, z, row, col, band in mrf.header.pages():
            try:
                pixels = mrf.pixels(level.number, row, col, z=z, band=band)
            except MrfError as error:
                wrong.append(str(error))
                continue
            if pixels is not None:
                page = mrf.header.page
                assert pixels.shape == (page.rows, page.cols, mrf.header.page_bands)
                good += 1
    return good, wrong


def check(name, path):
    try:
        _, wrong = read_all(path)
        report = inspect_mrf(path, decode=True, onearth=True)
    except MrfError as error:
        messages = [str(error)]
    else:
        messages = [*wrong, *report.problems]
    for message in messages:
        assert "\n" not in message, name
        assert len(message) < 700, name
    return bool(messages)


def main(folder):
    """Inspect the whole corpus within the limit, in a process that a decoder may crash."""
    kinds = list(Compression)
    try:
        import lerc  # noqa: F401
    except ImportError:
        kinds.remove(Compression.LERC)
    files = list(corpus(Path(folder), kinds))
    check(*files[-1])  # what libraries take when they are first used is not counted
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = [name for name, path in files if check(name, path)]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < MEMORY_BYTES, f"{grown >> 20} MB"
    accepted = [f"{len(files)} {len(refused)}"]
    accepted += [name for name, _ in files if "damaged" not in name and name not in refused]
    Path(folder, "accepted.txt").write_text("\n".join(accepted))  # decoders write to standard output


def test_the_corpus(tmp_path):
    root = Path(__file__).parents[3]
    script = "import sys; from tests.pyramid.mrf.test_hostile import main; main(sys.argv[1])"
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    counts, *harmless = (tmp_path / "accepted.txt").read_text().splitlines()
    files, refused = map(int, counts.split())
    assert files > 120
    assert refused > 60
    # Sharing pages is allowed, unknown elements are skipped, and so is what follows the last pixel.
    assert set(harmless) <= {"all at one offset", "wide", "page with too many pixels"}


@pytest.mark.parametrize("opened", [True, False])
def test_files_that_are_no_files(tmp_path, opened):
    import os

    from tests.pyramid.mrf.stores import mrf_text, write_mrf

    path = write_mrf(tmp_path, mrf_text(), [(0, 0)] * 5, b"")
    victim = path.with_suffix(".ppg") if opened else path
    victim.unlink()
    os.mkfifo(victim)
    with pytest.raises(MrfError, match="is not a plain file"):
        MrfReader(path)
