"""Build sdist and wheel of a clean clone, and use the wheel as a user does: ``make wheel-check``.

The commit at HEAD is cloned, so that nothing that an earlier build left gets in. The wheel is built from the sdist,
then installed in a fresh environment whose PATH has neither Node nor a compiler. There ``tests/api_tour.py`` runs, mypy
--strict reads it, and ``lazytile FILE`` shows a file of about 50 MB; the time to its first tile is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
PAGE = ("index.html", "app.js", "app.css", "LICENSES.txt")
FILE_DAYS = 3
LIMIT_S = 10.0


def run(*command: object, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a program; exit with its output where it fails."""
    words = [str(word) for word in command]
    print("$", " ".join(words), flush=True)
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\nexit code {done.returncode}")
    return done.stdout


def built(work: Path) -> tuple[Path, Path]:
    """Return the sdist and the wheel of a clone."""
    run("git", "clone", "--quiet", ROOT.as_uri(), work / "clone", cwd=work)
    run(sys.executable, "-m", "build", "--outdir", work / "dist", work / "clone", cwd=work)
    (sdist,), (wheel,) = (work / "dist").glob("*.tar.gz"), (work / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    with tarfile.open(sdist) as archive:
        members = {member.name.partition("/")[2]: member.size for member in archive}
    for name in PAGE:
        path = f"lazytile/service/viewer/dist/{name}"
        if not sizes.get(path) or not members.get(path):
            raise SystemExit(f"{path} is missing in {wheel.name} or {sdist.name}")
    print(f"{sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB, {wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    return sdist, wheel


def installed(work: Path, wheel: Path) -> tuple[Path, dict[str, str]]:
    """Return the Python of a fresh environment with the wheel, and a PATH without Node and compilers."""
    run(sys.executable, "-m", "venv", work / "venv", cwd=work)
    folder = work / "venv" / "bin"
    names = ("PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "SSL_CERT_FILE", "TMPDIR", "LANG")
    env = {name: os.environ[name] for name in names if name in os.environ}
    env |= {"PATH": str(folder), "HOME": str(work / "home")}
    (work / "home").mkdir()
    run(folder / "python", "-m", "pip", "install", "--quiet", f"{wheel}[export]", "mypy", cwd=work, env=env)
    return folder / "python", env


def tour(work: Path, python: Path, env: dict[str, str]) -> None:
    """Run the program that uses every name of the Python API, and check its types."""
    program = work / "api_tour.py"
    program.write_text((ROOT / "tests" / "api_tour.py").read_text())
    (work / "tour").mkdir()
    print(run(python, program, work / "tour", cwd=work, env=env).strip())
    print(run(python, "-m", "mypy", "--strict", program, cwd=work, env=env).strip())


def first_tile(work: Path, python: Path, env: dict[str, str]) -> float:
    """Return the seconds from ``lazytile FILE`` to the first tile."""
    source = work / "sst.nc"
    code = (
        "from pathlib import Path; from lazytile.pyramid.demo.sst_file import regular_grid, write_sst; "
        f"write_sst(Path({str(source)!r}), *regular_grid(0.05), {FILE_DAYS})"
    )
    run(python, "-c", code, cwd=work, env=env)
    began = time.monotonic()
    command = [str(python.with_name("lazytile")), str(source), "--no-browser", "--offline", "--port", "0"]
    with subprocess.Popen(command, cwd=work, env=env, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            found = re.search(r"(http://\S+)/#layer=(\S+)", line)
            if found is None:
                raise SystemExit(f"lazytile FILE printed {line!r}")
            address = f"{found[1]}/xyz/{found[2]}/2/1/1.png"
            with urllib.request.urlopen(address, timeout=60) as reply:
                body = reply.read()
            seconds = time.monotonic() - began
            with urllib.request.urlopen(found[1], timeout=10) as reply:
                page = reply.read()
        finally:
            server.send_signal(signal.SIGINT)
    if body[:4] != b"\x89PNG" or b"app.js" not in page:
        raise SystemExit("the server has no tile or no viewer")
    print(f"lazytile FILE, {source.stat().st_size / 1e6:.0f} MB: first tile after {seconds:.1f} s")
    return seconds


def container(work: Path, python: Path, env: dict[str, str]) -> None:
    """Start the server and check its health with the commands and the environment of ``deploy/Dockerfile``."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    data = work / "data"
    for name in ("store", "cache"):
        (data / name).mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    variables = dict(word.split("=", 1) for word in re.findall(r"LAZYTILE_\w+=\S+", text))
    variables = {name: value.replace("/data", str(data)) for name, value in variables.items()}
    variables |= {"LAZYTILE_HOST": "127.0.0.1", "LAZYTILE_PORT": port}
    entry, argument = (
        json.loads(re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[0]),
        re.findall(r"^CMD (.*)$", text, re.MULTILINE)[0],
    )
    health = json.loads(re.findall(r"HEALTHCHECK .*? CMD (.*)$", text, re.MULTILINE)[0])
    health = [word.replace("8080", port) for word in health]
    command = [str(python.with_name(entry[0])), *json.loads(argument)]
    with subprocess.Popen(command, cwd=data, env=env | variables, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            run(python, *health[1:], cwd=work, env=env)
        finally:
            server.terminate()
    print("the commands of deploy/Dockerfile start a healthy server")


SLURM = {
    "sbatch": '#!/bin/sh\n/bin/sh "$1" >"$1.out" 2>&1 &\necho "Submitted batch job $!"\n',
    "scancel": '#!/bin/sh\nkill "$1"\n',
}
"""Programs of Slurm that run a job on this machine at once, and end it."""


def slurm(work: Path, python: Path, env: dict[str, str]) -> None:
    """Run ``deploy/slurm/cluster.py`` with a Slurm that runs its job on this machine, and ask for a tile."""
    run(python, "-m", "pip", "install", "--quiet", "dask-jobqueue", cwd=work, env=env)
    folder = work / "slurm"
    folder.mkdir()
    for name, text in SLURM.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    variables = {"PATH": f"{folder}:{env['PATH']}:/usr/bin:/bin", "LAZYTILE_CACHE": str(folder / "cache")}
    options = ("--store", work / "store", "--workers", "1", "--cores", "1", "--memory", "1GiB", "--port", port)
    command = [str(word) for word in (python, ROOT / "deploy" / "slurm" / "cluster.py", *options)]
    with subprocess.Popen(command, cwd=folder, env=env | variables, start_new_session=True) as server:
        try:
            health = f"http://127.0.0.1:{port}"
            wait_until(lambda: not json.loads(fetched(f"{health}/readyz"))["conditions"])
            layer = json.loads(fetched(f"{health}/ogc/collections"))["collections"][0]["id"]
            if fetched(f"{health}/xyz/{layer}/2/1/2.png")[:4] != b"\x89PNG":
                raise SystemExit("the server of deploy/slurm/cluster.py has no tile")
            engine = json.loads(fetched(f"{health}/healthz"))["engine"]
        finally:
            os.killpg(server.pid, signal.SIGINT)
            server.wait(60)
    print(f"deploy/slurm/cluster.py: a tile of its job; engine: {engine}")


def fetched(url: str) -> bytes:
    """Return what is at an address, also where that is an error."""
    try:
        with urllib.request.urlopen(url, timeout=60) as reply:
            return bytes(reply.read())
    except urllib.error.HTTPError as error:
        return error.read()


def wait_until(holds: Callable[[], bool], limit_s: float = 180) -> None:
    """Wait until something holds; connections may be refused meanwhile."""
    deadline = time.monotonic() + limit_s
    while True:
        with contextlib.suppress(OSError):
            if holds():
                return
        if time.monotonic() > deadline:
            raise SystemExit("the server does not become ready")
        time.sleep(0.2)


def main() -> int:
    """Check, and return 1 if the first tile takes too long and that matters."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--limit", action="store_true", help=f"fail if the first tile takes over {LIMIT_S:g} s")
    parser.add_argument("--wheel", type=Path, help="a wheel that is built already; otherwise one of a clean clone")
    parser.add_argument("--out", type=Path, help="folder to copy sdist and wheel to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lazytile-wheel-") as folder:
        work = Path(folder)
        archives = built(work) if options.wheel is None else (options.wheel.resolve(),)
        wheel = archives[-1]
        python, env = installed(work, wheel)
        tour(work, python, env)
        seconds = first_tile(work, python, env)
        container(work, python, env)
        slurm(work, python, env)
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            for path in archives:
                (options.out / path.name).write_bytes(path.read_bytes())
    return 1 if options.limit and seconds > LIMIT_S else 0


if __name__ == "__main__":
    sys.exit(main())
