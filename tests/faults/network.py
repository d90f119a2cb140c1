"""Machines on a network of their own: network namespaces on a bridge, which no link joins to this machine.

The bridge is in a namespace of its own too. A link of the main namespace that goes up or down would end the requests
of every browser on the machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.server import Reply, ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SUBNET = "10.213.8"
NOBODY = "02:00:00:00:00:fe"
"""A hardware address that no machine has."""
CLONE_NEWNET = 0x40000000
_OWN = Path("/proc/thread-self/ns/net")
_libc = ctypes.CDLL(None, use_errno=True)


def _ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def _entered(namespace: Path) -> Iterator[None]:
    """Have the running thread in a network namespace: sockets that it makes belong there."""
    with _OWN.open("rb") as before, namespace.open("rb") as there:
        if _libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            yield
        finally:
            assert _libc.setns(before.fileno(), CLONE_NEWNET) == 0


@dataclass(frozen=True)
class Machine:
    """A network namespace with one link to the bridge and one or more addresses."""

    name: str
    addresses: tuple[str, ...]
    hub: str
    """The namespace of the bridge."""

    @property
    def namespace(self) -> str:
        return f"{self.hub}-{self.name}"

    @property
    def within(self) -> tuple[str, ...]:
        """What runs a command on the machine."""
        return ("ip", "netns", "exec", self.namespace)

    def entered(self) -> contextlib.AbstractContextManager[None]:
        """Have the running thread on the machine while the block runs."""
        return _entered(Path("/run/netns") / self.namespace)

    @contextlib.contextmanager
    def isolated(self) -> Iterator[None]:
        """Cut the machine's only link while the block runs: packets vanish, connections stay open."""
        assert _ip("-n", self.hub, "link", "set", self.name, "down")
        try:
            yield
        finally:
            assert _ip("-n", self.hub, "link", "set", self.name, "up")

    @contextlib.contextmanager
    def cut_from(self, *addresses: str) -> Iterator[None]:
        """Lose every packet of the machine to some addresses while the block runs."""
        for address in addresses:
            assert _ip("-n", self.namespace, "neigh", "replace", address, "lladdr", NOBODY, "dev", "net")
            # Only a permanent entry stays as it is, whatever answers arrive.
            assert _ip(
                "-n", self.namespace, "neigh", "change", address, "lladdr", NOBODY, "dev", "net", "nud", "permanent"
            )
        try:
            yield
        finally:
            for address in addresses:
                assert _ip("-n", self.namespace, "neigh", "del", address, "dev", "net")


@contextlib.contextmanager
def network(counts: Mapping[str, int]) -> Iterator[dict[str, Machine]]:
    """Make machines on one bridge, and remove them in the end. Skip where network namespaces are barred.

    Args:
        counts: Number of addresses of each machine by its name, of up to 10 letters.
    """
    hub = f"lazytile-{os.getpid()}"
    machines: dict[str, Machine] = {}
    made = [hub]
    try:
        if (
            shutil.which("ip") is None
            or not Path("/proc/thread-self/ns/net").exists()
            or not _ip("netns", "add", hub)
            or not _ip("-n", hub, "link", "add", "bridge", "type", "bridge")
            or not _ip("-n", hub, "link", "set", "bridge", "up")
        ):
            pytest.skip("needs the right to make network namespaces and bridges (ip netns add)")
        last = 0
        for name, count in counts.items():
            addresses = tuple(f"{SUBNET}.{last + number}" for number in range(1, count + 1))
            last += count
            machine = machines[name] = Machine(name, addresses, hub)
            space = machine.namespace
            made.append(space)
            steps = [
                ("netns", "add", space),
                ("-n", hub, "link", "add", name, "type", "veth", "peer", "name", "net", "netns", space),
                ("-n", hub, "link", "set", name, "master", "bridge"),
                ("-n", hub, "link", "set", name, "up"),
                *(("-n", space, "addr", "add", f"{address}/24", "dev", "net") for address in addresses),
                ("-n", space, "link", "set", "lo", "up"),
                ("-n", space, "link", "set", "net", "up"),
            ]
            for step in steps:
                if not _ip(*step):
                    pytest.skip(f"needs the right to join network namespaces (ip {' '.join(step)})")
        yield machines
    finally:
        for space in made:
            _ip("netns", "del", space)


@dataclass
class RemoteServer(ServerProcess):
    """A server on a machine of the network. Its clients are on the same machine: no cut link parts them from it."""

    machine: Machine

    def get(self, path: str, headers: Mapping[str, str] | None = None, timeout_s: float = 60) -> Reply:
        """Request a path, as ``ServerProcess.get``."""
        with self.machine.entered():
            return super().get(path, headers, timeout_s)
