"""Every block of commands on the pages that people follow from top to bottom runs as it stands there.

The blocks of a page run one after the other in one folder. Some words stand for something else: ``lazytile`` is this
checkout, and a server that it starts runs on in the background; ``pip install`` checks that what it names is installed
or is an extra; ``python -m venv`` makes a folder; ``make`` only checks its targets. The port 8080 is another one.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.pyramid.netcdf import centres, write_grid

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NEEDED = ("curl", "gdalinfo", "gdal_translate")
LAZYTILE = """\
#!/usr/bin/env bash
export PYTHONPATH="$DOCS_ROOT"
case "$1" in
serve) ;;
*.nc | demo) set -- "$@" --no-browser ;;
*) exec "$DOCS_PYTHON" -m lazytile "$@" ;;
esac
"$DOCS_PYTHON" -m lazytile "$@" >server.log 2>&1 &
echo $! >>pids
for _ in $(seq 900); do
    if grep -q "is at http" server.log; then exit 0; fi
    if ! kill -0 $!; then break; fi
    sleep 0.1
done
cat server.log >&2
exit 1
"""
PYTHON = """\
#!/usr/bin/env bash
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin"; : >"$3/bin/activate"; exit 0; fi
PYTHONPATH="$DOCS_ROOT" exec "$DOCS_PYTHON" "$@"
"""
MAKE = """\
#!/usr/bin/env bash
exec "$(type -ap make | grep -v "^$(dirname "$0")/" | head -1)" -C "$DOCS_ROOT" --dry-run "$@"
"""
PIP = """\
#!/usr/bin/env bash
exec "$DOCS_PYTHON" - "$@" <<'END'
import importlib.metadata, pathlib, re, sys, tomllib, os
project = tomllib.loads(pathlib.Path(os.environ["DOCS_ROOT"], "pyproject.toml").read_text())["project"]
assert sys.argv[1] == "install", sys.argv
for word in sys.argv[2:]:
    name, _, extras = word.rstrip("]").partition("[")
    for extra in filter(None, extras.split(",")):
        assert extra in project["optional-dependencies"], extra
    if name not in ("lazytile", "."):
        importlib.metadata.version(name)
END
"""


def blocks_of(page):
    """The commands of a page, in order: language and text."""
    return BLOCK.findall(page.read_text())


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder, with the words that stand for something else on the PATH."""
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    pytest.importorskip("iris_sample_data", reason="iris-sample-data is not installed (it is in the extra docs)")
    words = tmp_path / "bin"
    words.mkdir()
    for name, text in {"lazytile": LAZYTILE, "pip": PIP, "make": MAKE, "python": PYTHON}.items():
        (words / name).write_text(text)
        (words / name).chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("PATH", f"{words}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCS_ROOT", str(ROOT))
    monkeypatch.setenv("DOCS_PYTHON", sys.executable)
    monkeypatch.setenv("LAZYTILE_PORT", str(port))
    folder = tmp_path / "place"
    folder.mkdir()
    yield folder, port
    pids = folder / "pids"
    for pid in pids.read_text().split() if pids.exists() else ():
        subprocess.run(["kill", pid], check=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run(place, page):
    folder, port = place
    blocks = blocks_of(page)
    assert blocks
    shutil.copy(write_field(folder.parent / "my_file.nc"), folder)
    for language, text in blocks:
        command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else ["python", "-c"]
        moved = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        done = subprocess.run([*command, moved], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


def write_field(path):
    """A small global field, the file that stands for the reader's own."""
    return write_grid(
        path, np.arange(18 * 36, dtype="int16").reshape(18, 36), centres(90, -10, 18), centres(-180, 10, 36)
    )


@pytest.mark.parametrize("text", ["lazytile info none.nc", "pip install 'lazytile[none]'", "make no-such-target"])
def test_a_wrong_command_is_seen(place, text):
    folder, _ = place
    assert subprocess.run(["bash", "-euc", text], cwd=folder, capture_output=True, check=False).returncode
