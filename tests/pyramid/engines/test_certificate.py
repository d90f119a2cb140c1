"""Clusters on this machine answer nobody who does not hold their certificate."""

import asyncio
import subprocess
import sys
import urllib.error
import urllib.request

import psutil
import pytest
from distributed.core import rpc

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.certificate import throwaway_security
from lazytile.pyramid.engines.dask_bulk import open_session
from lazytile.pyramid.engines.factory import open_bulk_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec

LOCAL = EngineSpec("local")
RUN_CODE = """
import asyncio, sys
from distributed import Client
async def main():
    async with Client(sys.argv[1], asynchronous=True, timeout="3s") as client:
        print("ran", await client.run(lambda: 6 * 7))
asyncio.run(main())
"""


def listening_ports():
    this = psutil.Process()
    return sorted(
        connection.laddr.port
        for each in (this, *this.children(recursive=True))
        for connection in each.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    )


async def identity(address, **connection):
    remote = rpc(address, **connection)
    try:
        return await asyncio.wait_for(remote.identity(), 3)
    finally:
        await remote.close_rpc()


def http_status(port):
    for path in ("/", "/status", "/info/main/workers.html", "/json/identity.json"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=3) as response:
                return response.status
        except urllib.error.HTTPError as error:
            if error.code != 404:
                return error.code
        except OSError:
            return None  # no HTTP server
    return 404


def test_a_foreign_client_is_refused_at_every_port_of_a_cluster():
    others = listening_ports()

    async def main():
        session = await open_session(LOCAL, EngineOptions(workers=1))
        try:
            ports = [port for port in listening_ports() if port not in others]
            assert len(ports) >= 4  # scheduler, nanny, worker, the HTTP servers of Dask
            own = session.client.security.get_connection_args("client")
            answered = 0
            for port in ports:
                with pytest.raises((OSError, TimeoutError, ValueError)):
                    await identity(f"tcp://127.0.0.1:{port}")
                stranger = throwaway_security().get_connection_args("client")
                with pytest.raises((OSError, TimeoutError)):
                    await identity(f"tls://127.0.0.1:{port}", connection_args=stranger)
                status = await asyncio.to_thread(http_status, port)
                assert status in (None, 404)
                if status is None:
                    answered += "type" in await identity(f"tls://127.0.0.1:{port}", connection_args=own)
            assert answered == 3  # the check finds the doors, which open to those who hold the key
            address = session.client.scheduler.address
            for target in (address, address.replace("tls:", "tcp:")):
                command = [sys.executable, "-c", RUN_CODE, target]
                ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
                assert ended.returncode != 0
                assert "ran" not in ended.stdout
        finally:
            await session.close()

    asyncio.run(main())


def test_the_certificate_outlives_any_server_and_its_key_is_new_each_time():
    from cryptography import x509

    first, second = throwaway_security(), throwaway_security()
    assert first.require_encryption
    assert first.tls_worker_key != second.tls_worker_key
    certificate = x509.load_pem_x509_certificate(first.tls_ca_file.encode())
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days > 20 * 365


@pytest.mark.parametrize(
    "address", ["0.0.0.0:8787", ":8787", "192.0.2.1:8787", "example.org:8787", "127.0.0.1", "[::]:1"]
)
def test_a_dashboard_for_other_machines_is_refused(address):
    with pytest.raises(EngineError, match=r"dashboard has no password, so its address is 127\.0\.0\.1:PORT"):
        open_bulk_engine(LOCAL, EngineOptions(workers=1, dashboard=address))
