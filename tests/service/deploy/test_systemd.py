"""systemd: a socket that a parent passes, the word that the server is ready, and the units."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lazytile.service.app import systemd
from lazytile.service.http.errors import ServiceError
from tests.service.harness import Server

UNITS = Path(__file__).resolve().parents[3] / "deploy" / "systemd"
# What systemd does before it becomes the service: descriptors from 3 on, and the process's own number.
PARENT = """
import os, sys
passed, name, *command = sys.argv[1:]
os.dup2(int(passed), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=name)
os.execv(command[0], command)
"""


@contextlib.contextmanager
def activated(store, tmp_path, *options):
    with socket.socket() as listening, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        listening.set_inheritable(True)
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(60)
        serve = [
            sys.executable,
            "-m",
            "lazytile.service",
            "serve",
            "--store",
            str(store),
            "--cache",
            str(tmp_path / "c"),
        ]
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(listening.fileno()), "lazytile.socket", *serve,
             "--engine", "threads", "--offline", "--port", "1", *options],
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
            pass_fds=[listening.fileno()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            yield process, listening.getsockname()[1], notified
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            process.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is for Linux")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_server_takes_the_socket_that_is_passed(store, tmp_path, workers):
    with activated(store, tmp_path, "--workers", workers) as (process, port, notified):
        # The socket listens before the server does: a request waits, and is answered.
        assert Server(port).get("/xyz/global_180/1/0/0.png").status == 200
        assert notified.recv(4096) == b"READY=1"
        assert f"http://127.0.0.1:{port}/" in process.stdout.readline()


@pytest.fixture
def passed(monkeypatch):
    """Pass sockets to this process, as far as its variables go."""

    def set_up(*sockets, names=""):
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", str(len(sockets)))
        monkeypatch.setenv("LISTEN_FDNAMES", names)
        # Above all open descriptors, so that they follow each other as those that systemd passes.
        free = max(map(int, os.listdir("/proc/self/fd"))) + 1  # noqa: PTH208
        numbers = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD, free + at) for at, each in enumerate(sockets)]
        assert numbers == list(range(free, free + len(sockets)))
        monkeypatch.setattr(systemd, "FIRST_FD", numbers[0])

    return set_up


def test_sockets_are_found_by_name(passed):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        passed(one, other, names="admin:lazytile.socket")
        for name, expected in (("", other), ("admin", one)):
            with systemd.passed_socket(name) as found:
                assert found.getsockname() == expected.getsockname()
                assert not found.get_inheritable()
                assert found.gettimeout() == 0


def test_what_is_no_listening_socket_is_refused(passed):
    with socket.socket() as idle:
        passed(idle)
        with pytest.raises(ServiceError, match="does not listen"):
            systemd.passed_socket()


def test_sockets_of_another_process_are_left_alone(monkeypatch):
    monkeypatch.setenv("LISTEN_FDS", "1")
    for pid in ("1", "x", ""):
        monkeypatch.setenv("LISTEN_PID", pid)
        assert systemd.passed_socket() is None
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "many")
    assert systemd.passed_socket() is None


def test_without_systemd_nothing_is_told(monkeypatch, tmp_path, caplog):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.notify("READY=1")
    assert not caplog.records
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "none"))
    systemd.notify("READY=1")
    assert "systemd cannot be told" in caplog.text


def units(folder):
    """Copy the units with programs that exist here."""
    for name in ("lazytile.service", "lazytile.socket"):
        text = (UNITS / name).read_text()
        (folder / name).write_text(re.sub(r"/opt/lazytile/bin/lazytile", shutil.which("true"), text))
    return [str(folder / name) for name in ("lazytile.service", "lazytile.socket")]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_accepts_the_units(tmp_path):
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units(tmp_path)], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "lazytile" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_the_service_has_few_rights(tmp_path):
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", units(tmp_path)[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze does not look at files")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_of_the_service_is_one_that_there_is():
    from tests.test_documents import unknown_options

    [command] = re.findall(r"^ExecStart=(.*)$", (UNITS / "lazytile.service").read_text(), re.MULTILINE)
    assert unknown_options(f"```\n{command}\n```\n") == []
