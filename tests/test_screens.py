"""The help of every command and typical errors are those that were read and recorded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT / "tests" / "recorded"
SCRIPT = "import json, sys; sys.path.insert(0, 'scripts'); import record_screens as r; print(json.dumps(r.recorded()))"


@pytest.fixture(scope="module")
def screens():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["help.txt", "errors.txt"])
def test_what_people_read_is_recorded(screens, name):
    assert screens[name] == (RECORDED / name).read_text(), (
        "python scripts/record_screens.py records it; read the difference"
    )


def test_every_error_is_one_line_and_ends_in_the_code_of_usage():
    commands = (RECORDED / "errors.txt").read_text().split("$ lazytile ")[1:]
    assert len(commands) >= 20
    for command in commands:
        line, *said, code = command.strip().splitlines()
        assert len(said) == 1, command
        assert said[0].startswith("lazytile: "), command
        assert code in ("[exit code 1]", "[exit code 2]"), command
        assert "Traceback" not in command
        assert len(line) > 3
