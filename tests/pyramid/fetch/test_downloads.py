"""Downloads are byte for byte what the server holds, whatever happens in transit."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.fetch.checksum import Checksum
from lazytile.pyramid.fetch.credentials import Credentials, read_passwords, read_token
from lazytile.pyramid.fetch.downloads import local_files
from lazytile.pyramid.fetch.http_client import HttpOptions
from lazytile.pyramid.fetch.pace import Pace, TransientError
from lazytile.pyramid.ingest.convert import convert
from lazytile.service.cli.main import run
from tests.pyramid.netcdf import TIME, centres, write_grid
from tests.web import OLD, Response, serving, until

ROOT = Path(__file__).resolve().parents[3]
QUICK = HttpOptions(retries=2, backoff_s=0.01, timeout_s=5)
BODY = np.random.default_rng(4).bytes(3_000_000)


@pytest.fixture
def web():
    with serving() as server:
        yield server


def grid(path: Path, step: int = 0, **options) -> Path:
    codes = np.random.default_rng(step).integers(0, 9000, (1, 300, 400)).astype("int16")
    return write_grid(
        path,
        codes,
        centres(30, -0.1, 300),
        centres(0, 0.1, 400),
        leading={"time": ([step], TIME)},
        fill=-1,
        chunks=(1, 100, 100),
        **options,
    )


def chunks(dataset: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(dataset)): path.read_bytes() for path in (dataset / "0").rglob("c/**/*") if path.is_file()
    }


def fetch(url: str, folder: Path, fetching: HttpOptions = QUICK, checksum: str | None = None) -> Path:
    checksums = [Checksum.parse(checksum)] if checksum else []
    return Path(local_files([url], folder, fetching, checksums=checksums)[0])


def test_a_url_converts_to_the_chunks_of_the_local_file(web, tmp_path):
    file = grid(tmp_path / "sst.nc")
    web.responses["/data/sst.nc"] = Response(file.read_bytes(), etag='"1"')
    convert(file, tmp_path / "local")
    dataset = convert(web.url("/data/sst.nc"), tmp_path / "remote", fetching=QUICK)
    assert dataset.name == "sst"
    assert dataset.source == "sst.nc"
    expected = chunks(tmp_path / "local" / "sst.zarr")
    assert len(expected) >= 4
    assert chunks(tmp_path / "remote" / "sst.zarr") == expected


def test_several_urls_are_one_time_series(web, tmp_path, capsys):
    files = [grid(tmp_path / f"{step}.nc", step) for step in range(3)]
    for file in files:
        web.responses[f"/{file.name}"] = Response(file.read_bytes())
    listed = tmp_path / "list.txt"
    lines = [
        f"{web.url('/' + file.name)} sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files[::-1]
    ]
    listed.write_text("# newest first\n\n" + "\n".join(lines) + "\n")
    assert run(["convert", "--list", str(listed), "--store", str(tmp_path / "remote"), "--name", "all"]) == 0
    dataset = convert(files, tmp_path / "local", "all")
    assert len(dataset.variables[0].dimensions[0].labels) == 3
    assert chunks(tmp_path / "remote" / "all.zarr") == chunks(tmp_path / "local" / "all.zarr")


def test_a_series_is_called_after_its_first_file(web, tmp_path):
    for step in range(6):
        web.responses[f"/sst-{step}.nc"] = Response(grid(tmp_path / f"{step}.nc", step).read_bytes())
    urls = [web.url(f"/sst-{step}.nc") for step in (3, 5, 0, 1, 4, 2)]
    assert convert(urls, tmp_path / "store", fetching=QUICK).name == "sst-0"
    assert run(["convert", *urls, "--store", str(tmp_path / "other")]) == 0
    assert (tmp_path / "other" / "sst-0.zarr").is_dir()


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, "gz"), (bz2.compress, "bz2")])
def test_packed_files_are_unpacked_wherever_they_are(web, tmp_path, pack, suffix):
    file = grid(tmp_path / "sst.nc")
    packed = tmp_path / f"sst.nc.{suffix}"
    packed.write_bytes(pack(file.read_bytes()))
    web.responses[f"/{packed.name}"] = Response(packed.read_bytes())
    convert(file, tmp_path / "plain")
    expected = chunks(tmp_path / "plain" / "sst.zarr")
    assert convert(packed, tmp_path / "packed").name == "sst"
    assert chunks(tmp_path / "packed" / "sst.zarr") == expected
    convert(web.url(f"/{packed.name}"), tmp_path / "remote", fetching=QUICK)
    assert chunks(tmp_path / "remote" / "sst.zarr") == expected
    assert [path.name for path in (tmp_path / "remote" / ".downloads").glob("*/*.nc*")] == ["sst.nc"]


def test_a_packed_file_is_unpacked_once_until_it_changes(tmp_path, caplog):
    packed = tmp_path / "a.bin.gz"
    packed.write_bytes(gzip.compress(b"one"))
    first = fetch(str(packed), tmp_path / "d")
    status = first.stat()
    assert fetch(str(packed), tmp_path / "d").stat().st_ino == status.st_ino
    packed.write_bytes(gzip.compress(b"three"))
    assert fetch(str(packed), tmp_path / "d").read_bytes() == b"three"


@pytest.mark.parametrize("validator", [{"etag": '"v1"'}, {"modified": OLD}])
def test_a_dropped_connection_is_resumed(web, tmp_path, validator):
    web.responses["/f.bin"] = Response(BODY, cuts=[1_500_000, 700_000], **validator)
    assert fetch(web.url("/f.bin"), tmp_path).read_bytes() == BODY
    first, second, third = web.headers("/f.bin", "Range")
    assert first is None
    assert second == "bytes=1500000-"
    assert third == "bytes=2200000-"
    assert web.headers("/f.bin", "If-Range")[1:] == [next(iter(validator.values()))] * 2


@pytest.mark.parametrize(
    "response",
    [
        {"etag": '"v1"', "ranges": False},
        {"etag": 'W/"v1"'},
        {"modified": "Fri, 31 Dec 2999 00:00:00 GMT"},
        {},
    ],
    ids=["no ranges", "weak tag", "date too new", "no validator"],
)
def test_what_cannot_be_resumed_is_restarted(web, tmp_path, response):
    web.responses["/f.bin"] = Response(BODY, cuts=[1_500_000], **response)
    assert fetch(web.url("/f.bin"), tmp_path).read_bytes() == BODY


def test_content_that_changed_meanwhile_is_never_mixed(web, tmp_path):
    other = BODY[::-1]
    responses = [Response(BODY, etag='"v1"', cuts=[1_500_000])]
    web.responses["/f.bin"] = lambda request: responses.pop() if responses else Response(other, etag='"v2"')
    assert fetch(web.url("/f.bin"), tmp_path).read_bytes() == other
    assert web.headers("/f.bin", "Range") == [None, "bytes=1500000-"]


def test_a_server_that_ignores_the_condition_is_caught(web, tmp_path):
    def response(request):
        if "range" not in request.headers:
            return Response(BODY, etag='"v1"', cuts=[1_500_000] if len(web.requests) == 1 else [])
        return Response(
            BODY[::-1][1_500_000:],
            status=206,
            headers={"ETag": '"v2"', "Content-Range": "bytes 1500000-2999999/3000000"},
        )

    web.responses["/f.bin"] = response
    assert fetch(web.url("/f.bin"), tmp_path).read_bytes() == BODY


def test_a_download_that_a_kill_cut_after_its_last_byte_is_finished(web, tmp_path):
    web.responses["/f.bin"] = Response(BODY, etag='"v1"')
    entry = fetch(web.url("/f.bin"), tmp_path).parent
    (entry / "f.bin").rename(entry / ".part")
    (entry / ".state.json").unlink()
    (entry / ".part.json").write_text(json.dumps({"etag": '"v1"'}))
    web.requests.clear()
    assert fetch(web.url("/f.bin"), tmp_path).read_bytes() == BODY
    assert web.headers("/f.bin", "Range") == ["bytes=3000000-"]


def test_a_killed_conversion_is_resumed(web, tmp_path):
    file = grid(tmp_path / "sst.nc")
    body = file.read_bytes()
    cut = len(body) // 2
    stall = threading.Event()
    response = Response(body, etag='"v1"', cuts=[cut], stall=stall)
    web.responses["/sst.nc"] = response
    store = tmp_path / "store"
    command = [sys.executable, "-m", "lazytile.service", "convert", web.url("/sst.nc"), "--store", str(store)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        until(lambda: any(part.stat().st_size >= cut for part in store.glob(".downloads/*/.part")))
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        stall.set()
    assert not list(store.glob("*.zarr"))
    subprocess.run(command, cwd=ROOT, check=True)
    assert web.headers("/sst.nc", "Range") == [None, f"bytes={cut}-"]
    convert(file, tmp_path / "local")
    assert chunks(store / "sst.zarr") == chunks(tmp_path / "local" / "sst.zarr")


@pytest.mark.parametrize("validator", [{"etag": '"v1"'}, {"modified": OLD}])
def test_a_finished_download_is_reused_and_logged(web, tmp_path, validator, caplog):
    caplog.set_level("INFO", "lazytile")
    web.responses["/f.nc"] = Response(b"old", **validator)
    first = fetch(web.url("/f.nc"), tmp_path)
    number = first.stat().st_ino
    again = fetch(web.url("/f.nc"), tmp_path)
    assert (again, again.stat().st_ino) == (first, number)
    assert "using the earlier download" in caplog.text
    web.responses["/f.nc"] = Response(b"new", etag='"v2"', modified="Mon, 03 Jan 2022 00:00:00 GMT")
    assert fetch(web.url("/f.nc"), tmp_path).read_bytes() == b"new"


def test_refreshing_fetches_again(web, tmp_path):
    web.responses["/f.bin"] = Response(b"old", etag='"v1"')
    fetch(web.url("/f.bin"), tmp_path)
    web.responses["/f.bin"] = Response(b"new", etag='"v1"')
    assert fetch(web.url("/f.bin"), tmp_path, HttpOptions(refresh=True)).read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256", "sha512"])
def test_checksums_of_what_is_served(web, tmp_path, kind):
    packed = gzip.compress(BODY)
    web.responses["/f.gz"] = Response(packed, etag='"v1"')
    right = f"{kind}:{hashlib.new(kind, packed).hexdigest()}"
    assert fetch(web.url("/f.gz"), tmp_path, checksum=right).read_bytes() == BODY
    fetch(web.url("/f.gz"), tmp_path, checksum=right)
    assert web.headers("/f.gz", "If-None-Match") == [None, '"v1"']
    wrong = f"{kind}:{hashlib.new(kind, BODY).hexdigest()}"
    with pytest.raises(SourceError, match=rf"has the checksum {right}, not [0-9a-f]+; the file was discarded"):
        fetch(web.url("/f.gz"), tmp_path / "other", checksum=wrong)
    assert not [path for path in (tmp_path / "other").glob("*/*") if path.name != ".lock"]


def test_a_wrong_checksum_is_not_hidden_by_an_earlier_download(web, tmp_path):
    web.responses["/f.bin"] = Response(BODY, etag='"v1"')
    fetch(web.url("/f.bin"), tmp_path)
    with pytest.raises(SourceError, match="has the checksum"):
        fetch(web.url("/f.bin"), tmp_path, checksum="md5:" + "0" * 32)


def test_the_checksum_of_a_local_file(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(SourceError, match="has the checksum md5:0cc175b9c0f1b6a831c399e269772661"):
        local_files([str(tmp_path / "a")], tmp_path, QUICK, checksums=[Checksum.parse("md5:" + "0" * 32)])


@pytest.mark.parametrize("text", ["", "md5:12", "crc:00000000", "sha256:" + "g" * 64, "0" * 32])
def test_invalid_checksums_are_refused(text):
    with pytest.raises(SourceError, match="a checksum is md5:, sha1:, sha256: or sha512:"):
        Checksum.parse(text)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (Response(status=401), r"127.0.0.1 requires a login \(401\); put it into the .netrc file"),
        (Response(status=403), r"127.0.0.1 denies access \(403 Forbidden\)"),
        (Response(status=404), r"127.0.0.1 has no such file \(404\)"),
        (Response(status=418), "127.0.0.1 responds with 418"),
        (Response(status=503), "127.0.0.1 responds with 503 Service Unavailable; 3 attempts failed"),
        (Response(b"<!DOCTYPE html>\n<title>Log in</title>"), "is a web page, not data"),
        (Response(b"\n<!-- a -->\n<html></html>"), "is a web page, not data"),
        (Response(b"x" * 100, cuts=[50, 50, 50]), "the response was cut short; 3 attempts failed"),
        (Response(status=302, headers={"Location": "/f.bin"}), "redirects more than 10 times"),
        (Response(status=302, headers={"Location": "file:///etc/passwd"}), "redirects to a file address|names no host"),
    ],
)
def test_errors_are_one_line(web, tmp_path, response, text):
    web.responses["/f.bin"] = response
    with pytest.raises(SourceError, match=text) as error:
        fetch(web.url("/f.bin"), tmp_path)
    assert "\n" not in str(error.value)


def test_transient_failures_are_retried(web, tmp_path):
    web.responses["/f.bin"] = Response(BODY, failures=[503, 429])
    assert fetch(web.url("/f.bin"), tmp_path).read_bytes() == BODY
    assert len(web.requests) == 3


def test_a_silent_server_runs_into_the_time_limit(web, tmp_path):
    stall = threading.Event()
    web.responses["/f.bin"] = Response(BODY, cuts=[1000, 1000], stall=stall)
    try:
        with pytest.raises(SourceError, match=r"the server was silent for 0.2 s; 2 attempts failed"):
            fetch(web.url("/f.bin"), tmp_path, HttpOptions(timeout_s=0.2, retries=1, backoff_s=0))
    finally:
        stall.set()


def test_a_refused_connection_is_retried(tmp_path):
    with serving() as stopped:
        url = stopped.url("/f.bin")
    with pytest.raises(SourceError, match=r"/f\.bin: Cannot connect to host 127.0.0.1:\d+ .*3 attempts failed"):
        fetch(url, tmp_path)


@pytest.mark.parametrize("length", [True, False])
def test_the_limit_holds_for_what_is_served(web, tmp_path, length):
    web.responses["/f.bin"] = Response(BODY, length=length)
    with pytest.raises(SourceError, match=r"(has 3000000 bytes, which exceeds the|exceeds the) limit of 1000000"):
        fetch(web.url("/f.bin"), tmp_path, HttpOptions(limit_bytes=1_000_000))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) == 0


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_the_limit_holds_for_what_is_unpacked(web, tmp_path, pack):
    bomb = pack(bytes(50_000_000))
    assert len(bomb) < 100_000
    (tmp_path / "bomb").write_bytes(bomb)
    web.responses["/bomb"] = Response(bomb)
    for source in (web.url("/bomb"), str(tmp_path / "bomb")):
        with pytest.raises(SourceError, match="exceeds the limit of 10000000 bytes when unpacked"):
            fetch(source, tmp_path / "d", HttpOptions(limit_bytes=10_000_000))
    assert max(path.stat().st_size for path in (tmp_path / "d").rglob("*") if path.is_file()) <= len(bomb)


def test_a_body_that_gzip_packed_in_transit_is_bounded_when_unpacked_and_other_compression_is_refused(web, tmp_path):
    options = HttpOptions(limit_bytes=10_000_000)
    web.responses["/a.bin"] = Response(gzip.compress(BODY), headers={"Content-Encoding": "gzip"})
    assert fetch(web.url("/a.bin"), tmp_path, options).read_bytes() == BODY
    web.responses["/b.bin"] = Response(gzip.compress(bytes(50_000_000)), headers={"Content-Encoding": "gzip"})
    with pytest.raises(SourceError, match="exceeds the limit of 10000000 bytes when unpacked"):
        fetch(web.url("/b.bin"), tmp_path, options)
    web.responses["/c.bin"] = Response(b"packed", headers={"Content-Encoding": "br"})
    with pytest.raises(SourceError, match="the server sends compression 'br', which was not requested"):
        fetch(web.url("/c.bin"), tmp_path, options)
    web.responses["/d/zarr.json"] = Response(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    with pytest.raises(SourceError, match="sends compression that was not requested"):
        fetch(web.url("/d"), tmp_path, options)


def test_a_chain_of_redirects_is_bounded(web, tmp_path):
    for number in range(12):
        location = {"Location": web.url(f"/{number + 1}.bin")}
        web.responses[f"/{number}.bin"] = Response(status=302, headers=location)
    with pytest.raises(SourceError, match="redirects more than 10 times"):
        fetch(web.url("/0.bin"), tmp_path)
    assert len(web.requests) == 11


def test_a_server_that_drips_runs_into_the_time_limit(monkeypatch):
    clock = iter([0.0, 49.0, 51.0, 51.0])
    monkeypatch.setattr("lazytile.pyramid.fetch.pace.time.monotonic", lambda: next(clock))
    pace = Pace(50.0)
    pace.check(1)
    with pytest.raises(TransientError, match=r"the server sent 5000 bytes in 51 s, which is too slow"):
        pace.check(5000)
    pace.check(5200)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
@pytest.mark.parametrize("damage", [lambda data: data[:-2000], lambda data: data[:3000] + b"\xff" * 50 + data[3050:]])
def test_damaged_packed_files(tmp_path, pack, damage):
    packed = tmp_path / "f.nc.packed"
    packed.write_bytes(damage(pack(BODY)))
    with pytest.raises(SourceError, match="is damaged or cut short and cannot be unpacked"):
        fetch(str(packed), tmp_path / "d")


def test_pickles_are_refused_behind_urls_and_packed(web, tmp_path):
    web.responses["/a.pkl.gz"] = Response(gzip.compress(pickle.dumps(np.zeros((3, 3)), protocol=4)))
    with pytest.raises(SourceError, match=r"a\.pkl is a Python pickle, .*numpy\.save"):
        convert(web.url("/a.pkl.gz"), tmp_path, bounds=(0, 0, 3, 3), fetching=QUICK)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_login_elsewhere_gets_its_own_password_and_no_other(web, tmp_path):
    """As NASA's Earthdata Login does: to the login's host and back, and the session is a cookie."""
    with serving() as login:
        back = web.url("/f?code=7")
        login.responses["/authorize"] = Response(status=302, headers={"Location": back}, login=basic("me", "secret"))
        web.responses["/f?code=7"] = Response(
            status=302, headers={"Location": "/f.bin", "Set-Cookie": "session=1; Path=/"}
        )

        def data(request):
            if request.headers.get("cookie") == "session=1":
                return Response(BODY)
            return Response(status=302, headers={"Location": login.url("/authorize", "localhost")})

        web.responses["/f.bin"] = data
        netrc = tmp_path / "netrc"
        netrc.write_text("machine localhost login me password secret\ndefault login any password wrong\n")
        fetching = HttpOptions(credentials=Credentials(read_passwords(netrc)), retries=0, timeout_s=5)
        # The login denies wrong credentials, so it received the right ones...
        assert fetch(web.url("/f.bin"), tmp_path / "d", fetching).read_bytes() == BODY
        # ...and to the data's host nothing.
        assert {each.headers.get("authorization") for each in web.requests} == {None}


def test_a_token_and_passwords_stay_with_their_hosts(web, tmp_path):
    with serving() as other:
        other.responses["/f.bin"] = Response(BODY)
        web.responses["/f.bin"] = Response(status=302, headers={"Location": other.url("/f.bin")}, login="Bearer abc")
        token = tmp_path / "token"
        token.write_text("abc\n")
        fetching = HttpOptions(credentials=Credentials({}, read_token(token)), retries=0)
        assert fetch(web.url("/f.bin"), tmp_path / "d", fetching).read_bytes() == BODY
        assert other.headers("/f.bin", "Authorization") == [None]
        web.responses["/f.bin"] = Response(
            status=302, headers={"Location": other.url("/f.bin", "localhost")}, login=basic("a", "b")
        )
        fetching = HttpOptions(credentials=Credentials({"127.0.0.1": ("a", "b")}), retries=0, refresh=True)
        assert fetch(web.url("/f.bin"), tmp_path / "d", fetching).read_bytes() == BODY
        assert other.headers("/f.bin", "Authorization") == [None, None]


def test_a_token_is_for_one_server(web, tmp_path):
    fetching = HttpOptions(credentials=Credentials({}, "abc"), retries=0)
    web.responses["/a.bin"] = web.responses["/b.bin"] = Response(b"x", login="Bearer abc")
    files = local_files([web.url("/a.bin"), web.url("/b.bin")], tmp_path, fetching)
    assert [Path(file).read_bytes() for file in files] == [b"x", b"x"]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert web.url("/a.bin").encode() in written
    assert b"abc" not in written
    web.requests.clear()
    with pytest.raises(SourceError, match="a token is valid for one server, but the URLs name 2"):
        local_files([web.url("/a.bin"), f"nexus+{web.url('/b', 'localhost')}"], tmp_path, fetching)
    assert not web.requests


def test_which_hosts_receive_credentials():
    known = Credentials({"a.org": ("u", "p"), "b.org": ("v", "q")}, "token")
    assert known.authorization("https://a.org/x", "https://a.org/y") == "Bearer token"
    assert known.authorization("https://a.org:444/x", "https://a.org/y") == basic("u", "p")
    assert known.authorization("https://b.org/x", "https://a.org/y") == basic("v", "q")
    assert known.authorization("http://b.org/x", "http://a.org/y") is None
    assert known.authorization("http://a.org/x", "https://a.org/y") is None
    assert known.authorization("https://c.org/x", "https://a.org/y") is None
    assert Credentials({"a.org": ("u", "p")}).authorization("http://a.org/x", "http://a.org/y") == basic("u", "p")
    assert "token" not in repr(known)
    assert "'p'" not in repr(known)


def test_redirects_to_plain_http_are_not_followed(tmp_path):
    from lazytile.pyramid.fetch.http_client import Client

    client = Client("https://a.org/f", QUICK)
    with pytest.raises(SourceError, match=r"redirects from https to plain http at b\.org"):
        client._next("https://a.org/f", "http://b.org/f")
    assert client._next("https://a.org/f", "//u:p@b.org/f#x") == "https://b.org/f"


def test_passwords_in_urls_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"the URL of a\.org holds a password") as error:
        fetch("https://me:secret@a.org/f", tmp_path)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("missing", None, "missing cannot be read: No such file or directory"),
        ("netrc", "machine a login b passwort c", "netrc is not a valid .netrc file: line 1"),
    ],
)
def test_netrc_files_that_cannot_be_read(tmp_path, name, content, text):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=text) as error:
        read_passwords(tmp_path / name)
    assert "passwort" not in str(error.value)


def test_invalid_tokens_are_refused(tmp_path):
    (tmp_path / "token").write_text("\n")
    with pytest.raises(SourceError, match="holds no token"):
        read_token(tmp_path / "token")
    with pytest.raises(SourceError, match="a bearer token must be one line"):
        Credentials({}, "a\r\nHost: b")


def test_two_processes_do_not_fetch_the_same_at_once(web, tmp_path):
    stall = threading.Event()
    web.responses["/f.bin"] = Response(BODY, cuts=[1000], stall=stall, etag='"1"')
    results = []
    first = threading.Thread(target=lambda: results.append(fetch(web.url("/f.bin"), tmp_path)))
    first.start()
    until(lambda: bool(list(tmp_path.glob("*/.part"))))
    with pytest.raises(SourceError, match="another process is fetching"):
        fetch(web.url("/f.bin"), tmp_path)
    stall.set()
    first.join()
    assert results[0].read_bytes() == BODY


@pytest.mark.parametrize("path", ["/a/..%2F..%2Fetc%2Fpasswd", "/a/.state.json", "/", "/a/%00"])
def test_names_of_files_are_safe(web, tmp_path, path):
    web.responses[path] = Response(b"data")
    file = fetch(web.url(path), tmp_path / "d")
    assert file.read_bytes() == b"data"
    assert file.parent.parent == tmp_path / "d"
    assert not file.name.startswith(".")


def test_the_command_line_takes_urls(web, tmp_path, capsys, monkeypatch):
    file = grid(tmp_path / "sst.nc")
    later = grid(tmp_path / "later.nc", 5)
    web.responses["/sst.nc.gz"] = Response(gzip.compress(file.read_bytes()), etag='"1"', login="Bearer abc")
    web.responses["/later.nc"] = Response(later.read_bytes())
    store = str(tmp_path / "store")
    netrc = tmp_path / "netrc"
    netrc.write_text("")
    monkeypatch.setenv("NETRC", str(netrc))
    url = web.url("/sst.nc.gz")
    assert run(["info", url, "--store", store]) == 2
    assert "requires a login" in capsys.readouterr().err
    monkeypatch.setenv("LAZYTILE_TOKEN", "abc")
    assert run(["info", url, "--store", store]) == 0
    assert "300 rows x 400 columns" in capsys.readouterr().out
    assert run(["convert", url, "--store", store, "--downloads", str(tmp_path / "d")]) == 0
    assert run(["append", web.url("/later.nc"), "sst", "--store", store]) == 0
    assert "2 time steps" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "d").glob("*/*.nc")] == ["sst.nc"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["ftp://a.org/f.nc"], "has the scheme ftp"),
        (["a.nc", "--list", "b"], "name what to convert"),
        (["a.nc", "b.nc", "--checksum", "md5:" + "0" * 32], "1 checksums were given for 2 files"),
        (["--list", "LIST"], "lines are SOURCE or SOURCE CHECKSUM, all of one kind, not 'b md5:0'"),
    ],
)
def test_command_lines_that_are_refused(tmp_path, capsys, arguments, text):
    (tmp_path / "LIST").write_text("a\nb md5:0\n")
    arguments = [str(tmp_path / each) if each == "LIST" else each for each in arguments]
    assert run(["convert", *arguments, "--store", str(tmp_path / "store")]) == 2
    assert text in capsys.readouterr().err
