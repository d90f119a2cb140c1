import asyncio
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
