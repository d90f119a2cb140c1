import asyncio
import subprocess
import sys

import pytest

from lazytile.service.app.event_loop import run
from lazytile.service.http.errors import ServiceError


async def note_loop(found):
    await asyncio.sleep(0)
    found.append(type(asyncio.get_running_loop()).__module__.partition(".")[0])


def test_the_usual_loop():
    found = []
    run(note_loop(found), "asyncio")
    assert found == ["asyncio"]


def test_uvloop():
    pytest.importorskip("uvloop", reason="the extra uvloop is not installed")
    found = []
    run(note_loop(found), "uvloop")
    assert found == ["uvloop"]


def test_a_loop_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(
        ServiceError, match=r"setting event_loop: uvloop is not installed, the extra lazytile\[uvloop\]"
    ):
        run(note_loop([]), "uvloop")


def test_the_collector_leaves_alone_what_start_up_has_made_but_not_what_it_no_longer_needs():
    script = (
        "import gc, weakref\n"
        "from lazytile.service.app.event_loop import settle_heap\n"
        "class Node: pass\n"
        "kept, dropped = Node(), Node()\n"
        "dropped.itself = dropped\n"
        "settle_heap()\n"
        "assert gc.get_freeze_count() > 10_000\n"
        "assert not any(each is kept for each in gc.get_objects())\n"
        "gone = weakref.ref(dropped)\n"
        "del dropped\n"
        "gc.collect()\n"
        "assert gone() is not None\n"
        "settle_heap()\n"
        "assert gone() is None\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
