"""Traces: a span for each request and stage, in the trace of the caller; nothing is imported without them."""

import subprocess
import sys

import pytest

from lazytile.service.access import tracing
from lazytile.service.http.errors import ServiceError
from lazytile.service.http.settings import Settings
from tests.service.front.requests import Client
from tests.service.harness import running

TILE = "/xyz/global_180/2/1/1.png"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch):
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    monkeypatch.setattr(tracing, "otlp_exporter", lambda: memory)
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    # A shut down exporter keeps what it has.
    return memory.get_finished_spans


def test_each_request_is_a_span_with_its_stages(store, tmp_path, spans):
    with running(store, tmp_path / "c", tracing=True) as server, Client(server.port) as client:
        client.ask(TILE, "GET", {"traceparent": PARENT, "User-Agent": "agent"})
        request_id = client.request_id
        client.ask(TILE)
        client.ask("/xyz/none/0/0/0.png?a=b")
    found = spans()
    requests = sorted((span for span in found if span.kind.name == "SERVER"), key=lambda span: span.start_time)
    assert [span.name for span in requests] == ["GET xyz"] * 3
    first, second, third = (dict(span.attributes) for span in requests)
    assert (first["url.path"], first["http.response.status_code"], first["lazytile.tier"]) == (TILE, 200, "computed")
    assert (first["lazytile.request_id"], first["user_agent.original"]) == (request_id, "agent")
    assert second["lazytile.tier"] == "memory"
    assert (third["http.response.status_code"], third["url.query"]) == (404, "a=b")
    assert f"{requests[0].context.trace_id:032x}" == PARENT.split("-")[1]
    assert f"{requests[0].parent.span_id:016x}" == PARENT.split("-")[2]
    assert len({span.context.trace_id for span in requests}) == 3
    stages = [span for span in found if span.parent and span.parent.span_id == requests[0].context.span_id]
    assert {"resolve", "queue", "render", "store"} <= {span.name for span in stages}
    assert all(requests[0].start_time <= span.start_time <= span.end_time for span in stages)
    assert requests[0].resource.attributes["service.name"] == "lazytile"


def test_nothing_is_imported_without_traces(store, tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.service.harness import running\n"
        f"with running(Path({str(store)!r}), Path({str(tmp_path / 'c')!r})) as server:\n"
        f"    assert server.get({TILE!r}).status == 200\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    assert tracing.Tracing.of(Settings.of()) is None
    with pytest.raises(ServiceError, match=r"the extra lazytile\[otel\] has it"):
        tracing.Tracing.of(Settings.of(tracing=True))
