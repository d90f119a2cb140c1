"""A real nginx that runs a configuration of ours."""

import contextlib
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lazytile.service.app.listening import listen
from tests.service.harness import Server

NGINX = shutil.which("nginx") or next((path for path in ("/usr/sbin/nginx",) if Path(path).exists()), None)
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")


@contextlib.contextmanager
def running_nginx(folder, site, ready_path):
    """Run nginx with a site that listens on port 80, on a free port instead, once it answers a path."""
    with listen("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    assert "listen 80;" in site
    (folder / "site.conf").write_text(site.replace("listen 80;", f"listen 127.0.0.1:{port};"))
    temporary = "\n".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder / 'pid'};\nerror_log {folder / 'error.log'};\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}\ninclude {folder / 'site.conf'};\n}}\n"
    )
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "start.log")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(port)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                server.get(ready_path)
                break
            except OSError:
                assert time.monotonic() < deadline, (folder / "error.log").read_text()
                time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(30)
