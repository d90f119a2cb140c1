"""Names and options of engines."""

import pickle

import pytest

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec


@pytest.mark.parametrize("text", ["auto", "threads", "local", "cuda"])
def test_a_named_engine(text):
    spec = EngineSpec.parse(text)
    assert spec == EngineSpec(text)
    assert str(spec) == text


@pytest.mark.parametrize("text", ["tcp://10.1.2.3:8786", "tls://scheduler.example.org:8786", "tcp://[::1]:8786"])
def test_a_scheduler_by_address(text):
    spec = EngineSpec.parse(text)
    assert (spec.kind, spec.address, str(spec)) == ("scheduler", text, text)
    assert pickle.loads(pickle.dumps(spec)) == spec


@pytest.mark.parametrize("text", ["", "gpu", "Threads", "scheduler", "http://127.0.0.1:80", "inproc://x", "local "])
def test_an_unknown_engine_is_told_what_is_allowed(text):
    with pytest.raises(EngineError, match=r"allowed are auto, threads, local, cuda, tcp://HOST:PORT") as raised:
        EngineSpec.parse(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "tcp://",
        "tcp://host",
        "tcp://:8786",
        "tcp://host:0",
        "tcp://host:port",
        "tcp://host:99999",
        "tcp://host:8786/path",
        "tcp://user:secret@host:8786",
        "tls://host:8786?x=1",
    ],
)
def test_a_wrong_address_is_told_what_is_allowed(text):
    with pytest.raises(EngineError, match=r"a scheduler's address is tcp://HOST:PORT or tls://HOST:PORT"):
        EngineSpec.parse(text)


def test_only_a_scheduler_has_an_address():
    with pytest.raises(EngineError, match="only an engine of kind scheduler"):
        EngineSpec("local", "tcp://127.0.0.1:8786")
    with pytest.raises(EngineError, match="only an engine of kind scheduler"):
        EngineSpec("scheduler")


@pytest.mark.parametrize("workers", [0, -1])
def test_an_engine_has_at_least_one_worker(workers):
    with pytest.raises(EngineError, match="at least one worker"):
        EngineOptions(workers=workers)


def test_timeouts_are_positive():
    with pytest.raises(EngineError, match="above 0"):
        EngineOptions(connect_timeout_s=0)
