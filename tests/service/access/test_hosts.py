"""Names of the server: which it answers for, and that a flood of them makes nothing without bound."""

import pytest

from lazytile.service.access.hosts import Hosts
from lazytile.service.admission.admission import Admission
from lazytile.service.admission.error_pace import ErrorPace
from lazytile.service.http.errors import BusyError, MisdirectedError, SettingsError
from lazytile.service.http.settings import Settings
from tests.service.harness import running

TILE = "/xyz/global_180/2/1/1.png"
CAPABILITIES = "/wmts/1.0.0/WMTSCapabilities.xml"
ECHOING = (
    CAPABILITIES, "/wms?service=WMS&request=GetCapabilities", "/xyz/global_180.json", "/ogc", "/ogc/api",
    "/ogc/collections?f=html",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "is_allowed"),
    [
        ("maps.example", True), ("MAPS.example:8443", True), ("a.tiles.example", True), ("a.b.tiles.example:1", True),
        ("[2001:db8::1]", True), ("[2001:db8::1]:80", True), ("fixed.example:81", True), ("fixed.example", False),
        ("tiles.example", False), ("xmaps.example", False), ("maps.example.evil", False), ("xtiles.example", False),
        ("[2001:db8::2]", False),
    ],
)  # fmt: skip
def test_names_that_are_allowed(name, is_allowed):
    hosts = Hosts(("Maps.example", "*.tiles.example", "[2001:db8::1]", "fixed.example:81"), 10)
    if is_allowed:
        hosts.check(name)
    else:
        with pytest.raises(MisdirectedError):
            hosts.check(name)


def test_new_names_are_bounded_and_those_in_use_stay():
    now = [0.0]
    hosts = Hosts((), 5, clock=lambda: now[0])
    for number in range(5):
        hosts.check(f"{number}.example")
    with pytest.raises(BusyError):
        hosts.check("5.example")
    hosts.check("0.example")
    now[0] = 1.01
    hosts.check("5.example")  # and the least recently used, 1, is forgotten
    with pytest.raises(BusyError):
        hosts.check("1.example")
    for number in (0, 2, 3, 4, 5):
        hosts.check(f"{number}.example")


def test_other_hosts_are_refused_where_they_would_be_repeated(store, tmp_path):
    with running(store, tmp_path / "c", allowed_hosts=("maps.example",)) as server:
        for path in ECHOING:
            assert server.get(path, {"Host": "maps.example"}).status == 200
            refused = server.get(path, {"Host": "evil.example"})
            assert refused.status == 421
            assert b"http://evil.example" not in refused.body
        for path in ("/xyz/global_180/0/0/0.png", "/healthz", "/"):
            assert server.get(path, {"Host": "evil.example"}).status == 200


def test_with_a_public_url_no_host_is_repeated(store, tmp_path):
    with running(store, tmp_path / "c", public_url="https://maps.example/tiles") as server:
        for path in ECHOING:
            reply = server.get(path, {"Host": "evil.example"})
            assert (reply.status, b"evil" in reply.body) == (200, False)


def test_a_flood_of_hosts_gets_503_and_the_server_s_own_name_does_not(store, tmp_path):
    with running(store, tmp_path / "c", max_hosts=3) as server:
        assert server.get(CAPABILITIES).status == 200
        replies = [server.get(CAPABILITIES, {"Host": f"{number}.example"}) for number in range(12)]
        assert [reply.status for reply in replies[:2]] == [200, 200]
        assert {reply.status for reply in replies[2:]} <= {200, 503}
        busy = [reply for reply in replies if reply.status == 503]
        assert len(busy) >= 5
        assert all(reply.headers["Retry-After"] for reply in busy)
        assert server.get(CAPABILITIES).status == 200


def test_a_host_that_is_refused_costs_no_thread(store, tmp_path, monkeypatch):
    with running(store, tmp_path / "c", max_hosts=1) as server:
        assert server.get(CAPABILITIES).status == 200

        async def document(self, write):
            raise AssertionError("a thread was asked for")

        monkeypatch.setattr(Admission, "document", document)
        for path in (CAPABILITIES, "/wms?service=WMS&request=GetCapabilities", "/ogc"):
            replies = [server.get(path, {"Host": f"{path[1:4]}{number}.example"}) for number in range(4)]
            assert 503 in [reply.status for reply in replies]


def test_errors_are_paced_and_answers_are_not(store, tmp_path, monkeypatch):
    paced = []

    async def note(pace):
        paced.append(pace)

    monkeypatch.setattr(ErrorPace, "paced", note)
    with running(store, tmp_path / "c", max_hosts=1) as server:
        for path in ("/healthz", "/readyz", TILE, TILE, CAPABILITIES):
            assert server.get(path).status == 200
        assert paced == []
        for path in ("/xyz/none/0/0/0.png", "/wmts?service=WMTS", "/nowhere", "/numbers/none/statistics"):
            assert server.get(path).status in (400, 404)
        assert len(paced) == 4
        assert server.get(CAPABILITIES, {"Host": "other.example"}).status == 503
        assert len(paced) == 5


def test_security_headers(store, tmp_path):
    with running(store, tmp_path / "c", frame_ancestors=("'self'", "https://portal.example")) as server:
        pages = ("/", "/ogc?f=html", "/ogc/collections/global_180?f=html", "/legends/global_180/default_H.svg")
        for path in pages:
            reply = server.get(path)
            policy = dict(part.strip().split(" ", 1) for part in reply.headers["Content-Security-Policy"].split(";"))
            assert reply.status == 200
            assert policy["frame-ancestors"] == "'self' https://portal.example"
            assert policy["default-src"] == ("'self'" if path == "/" else "'none'")
            assert "unsafe-eval" not in str(policy)
            assert "script-src" not in policy
            assert reply.headers["Referrer-Policy"]
        for path in (*pages, "/xyz/global_180/0/0/0.png", "/xyz/global_180/0/0/0.png", "/metrics", "/nowhere", "/ogc"):
            assert server.get(path).headers["X-Content-Type-Options"] == "nosniff"
        assert server.get("/xyz/global_180/0/0/0.png").headers["Content-Security-Policy"] is None


def test_no_frames_at_all(store, tmp_path):
    with running(store, tmp_path / "c", frame_ancestors=()) as server:
        assert "frame-ancestors 'none'" in server.get("/").headers["Content-Security-Policy"]


@pytest.mark.parametrize("source", ["'self'; script-src *", "a b", "x\ny", "a,b"])
def test_sources_of_frames_add_no_directive(source):
    with pytest.raises(SettingsError, match="frame_ancestors"):
        Settings.of(frame_ancestors=(source,))
