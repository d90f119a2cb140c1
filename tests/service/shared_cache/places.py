"""Places for the shared tier: a real Redis, and an S3 server on the loopback interface."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = "tiles"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def wait_for_port(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            assert time.monotonic() < end, f"nothing listens on port {port}"
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run Redis, and yield its address."""
    pytest.importorskip("redis", reason="redis is not installed: pip install 'lazytile[shared]'")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not here: apt-get install redis-server")
    port = port or free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.kill()


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Run moto's S3, and yield the address of a bucket and a prefix in it."""
    pytest.importorskip("obstore", reason="obstore is not installed: pip install 'lazytile[shared]'")
    server_module = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'lazytile[test]'")
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: pip install 'lazytile[test]'")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP")}
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        os.environ |= {**ENVIRONMENT, "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true"}
        boto3.client("s3", endpoint_url=address).create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}/some/prefix"
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        server.stop()
