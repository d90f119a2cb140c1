"""Worker processes import the main module again, however the program was started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent.parent

PROGRAM = """
import sys
import time
from lazytile.pyramid.engines.factory import open_bulk_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.core.errors import LazytileError

def wait(number):
    time.sleep(number)
    return number

def main():
    try:
        with open_bulk_engine(EngineSpec.parse("local"), EngineOptions(workers=2, start_timeout_s=20)) as engine:
            print("started", flush=True)
            for _ in engine.map(wait, [0.0, *map(float, sys.argv[1:])], label="wait"):
                print("done", flush=True)
    except LazytileError as error:
        print(error)
        return 2
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    return 0
"""
GUARD = "if __name__ == '__main__':\n    sys.exit(main())\n"
CONSOLE_SCRIPT = f"import sys\nfrom program import main\n{GUARD}"


def start(folder, *command):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))}
    return subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A job in the background of a shell ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread runs here
    )


@pytest.mark.parametrize("way", ["module", "script", "console script"])
def test_workers_start_however_the_program_was_started(tmp_path, way):
    Path(tmp_path, "program.py").write_text(PROGRAM + GUARD)
    Path(tmp_path, "lazytile-like").write_text(CONSOLE_SCRIPT)
    command = {"module": ["-m", "program"], "script": ["program.py"], "console script": ["lazytile-like"]}[way]
    out, err = start(tmp_path, *command).communicate(timeout=60)
    assert (out, err) == ("started\ndone\n", "")


def test_a_script_without_a_guard_is_told(tmp_path):
    Path(tmp_path, "program.py").write_text(PROGRAM.replace("timeout_s=20", "timeout_s=3") + "sys.exit(main())\n")
    running = start(tmp_path, "program.py")
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 2
    assert out.splitlines()[-1].startswith("the workers of engine local, 2 worker processes did not start")


def test_control_c_ends_the_program_and_its_workers_quietly(tmp_path):
    Path(tmp_path, "program.py").write_text(PROGRAM + GUARD)
    running = start(tmp_path, "program.py", *["0.5"] * 40)
    assert running.stdout.readline() == "started\n"
    assert running.stdout.readline() == "done\n"
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert out.splitlines()[-1] == "interrupted"
    assert err == ""
    with pytest.raises(ProcessLookupError):
        group_is_alive(running.pid)


def group_is_alive(group):
    """Return once the process group is empty."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        os.killpg(group, 0)
        time.sleep(0.05)
