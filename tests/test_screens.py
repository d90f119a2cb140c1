"""The help of every command and typical errors are those that were read and recorded."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT / "tests" / "recorded"
SCRIPT = (
    "import sys; sys.path.insert(0, 'scripts'); import record_screens as r; sys.stdout.write(r.recorded()[sys.argv[1]])"
)


@pytest.mark.parametrize("name", ["help.txt", "errors.txt"])
def test_what_people_read_is_recorded(name):
    done = subprocess.run([sys.executable, "-c", SCRIPT, name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (RECORDED / name).read_text(), (
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
