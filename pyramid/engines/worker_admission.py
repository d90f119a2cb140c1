"""The workers that may do some work: each is inspected first, those that join later too.

A worker that does not see the files, or has other versions of what decides the bytes, would fail, or worse, answer
with something else. It is left out and named; it is inspected again from time to time, and whenever it is restarted.
"""

from __future__ import annotations

import asyncio
import logging
import math
import pkgutil
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed.comm.core import CommClosedError

from lazytile import __version__
from lazytile.pyramid.cluster.inspection import Findings, inspect
from lazytile.pyramid.cluster.proofs import Proof, proofs_of
from lazytile.pyramid.cluster.versions import difference, own_versions
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.protocol import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from lazytile.pyramid.cluster.places import Places
    from lazytile.pyramid.cluster.worker_address import WorkerAddress

LOG = logging.getLogger(__name__)

AGAIN_S = 15.0
"""How long a worker that was left out waits for its next inspection."""
SETTLE_INTERVAL_S = 1.0
TRUST_S = 1.0
"""How long an inspection stands where a task blames its worker."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The outcome of a worker's inspection."""

    problem: str
    incarnation: str
    at: float
    kernel: str = ""


class Admission:
    """The workers of a cluster that passed the inspection for some work."""

    def __init__(
        self,
        client: Any,
        description: str,
        places: Places,
        timeout_s: float,
        kernel_name: Callable[[], str] | None = None,
    ) -> None:
        """Admit nobody yet.

        Args:
            client: Dask's client.
            description: Names the cluster in messages.
            places: What the work reads and writes.
            timeout_s: Limit for a worker to answer.
            kernel_name: Returns the name of what computes tiles on a worker; importable there.
        """
        self.token = secrets.token_hex(8)
        self.workers: dict[str, WorkerAddress] = {}
        """Those admitted, by name."""
        self.reach: Callable[[str], Awaitable[str]] | None = None
        """A further check of a worker, by its address: returns a problem, or an empty text."""
        self._kernel_name = kernel_name
        self._client = client
        self._description = description
        self._places = places
        self._timeout_s = timeout_s
        self._running: dict[str, WorkerAddress] = {}
        self._verdicts: dict[str, _Verdict] = {}
        """By address."""
        self._doubted: set[str] = set()
        self._inspections: dict[str, asyncio.Task[None]] = {}
        """Under way, by address."""
        self._failure = ""
        """Why the last inspection could not be made at all."""
        self._is_closed = False
        self._empty_since = time.monotonic()

    def update(self, running: Mapping[str, WorkerAddress]) -> None:
        """Take note of the workers that there are; start to inspect those that are new or were left out long ago.

        Args:
            running: The workers of the cluster, by name.
        """
        if self._is_closed:
            return
        self._running = dict(running)
        present = {worker.address for worker in running.values()}
        for address in set(self._verdicts) - present:
            self._forget(address)
        now = time.monotonic()
        due = [
            address
            for address in present - set(self._inspections)
            if (verdict := self._verdicts.get(address)) is None
            or address in self._doubted
            or (verdict.problem and now - verdict.at > AGAIN_S)
        ]
        self._doubted.clear()
        if due:
            batch = asyncio.ensure_future(self._inspect(due))
            self._inspections.update(dict.fromkeys(due, batch))
        self._select()

    def doubt(self, address: str, incarnation: str | None = None) -> None:
        """Inspect a worker again; ``settled`` waits for the outcome.

        Args:
            address: Of the worker.
            incarnation: Of the process that refused work; None where a task blames its worker. A worker that was
                inspected just now is not doubted.
        """
        verdict = self._verdicts.get(address)
        if verdict is None or address in self._inspections:
            return
        if incarnation == verdict.incarnation or (incarnation is None and time.monotonic() - verdict.at < TRUST_S):
            return
        self._doubted.add(address)
        self.update(self._running)

    async def settled(self, enough_s: float = math.inf) -> None:
        """Wait until every inspection under way has ended.

        Args:
            enough_s: After this time an admitted worker is enough, seconds.
        """
        began = time.monotonic()
        while self._inspections and not (self.workers and time.monotonic() - began > enough_s):
            await asyncio.wait(set(self._inspections.values()), timeout=SETTLE_INTERVAL_S)

    @property
    def kernels(self) -> frozenset[str]:
        """Names of what computes tiles on the admitted workers."""
        addresses = {worker.address for worker in self.workers.values()}
        return frozenset(
            each.kernel for address, each in self._verdicts.items() if address in addresses and each.kernel
        )

    @property
    def empty_s(self) -> float:
        """How long there has been no admitted worker, seconds; 0 where there is one."""
        return 0.0 if self.workers else time.monotonic() - self._empty_since

    @property
    def refusal(self) -> str:
        """Why workers were left out, in one line; empty where none was."""
        refused = [(address, each.problem) for address, each in sorted(self._verdicts.items()) if each.problem]
        if not refused:
            return self._failure
        address, problem = refused[0]
        more = f" ({len(refused) - 1} more left out)" if len(refused) > 1 else ""
        return f"the worker at {address} {problem}{more}"

    def check(self) -> None:
        """Check that there is a worker, once the inspections have ended.

        Raises:
            EngineError: All are left out.
        """
        if not self.workers and not self._inspections and self.refusal:
            raise EngineError(f"no worker of {self._description} can do this work: {self.refusal}")

    async def close(self) -> None:
        """End the inspections. No nonce is left behind."""
        self._is_closed = True
        batches = set(self._inspections.values())
        for batch in batches:
            batch.cancel()
        await asyncio.gather(*batches, return_exceptions=True)
        for address in list(self._verdicts):
            self._forget(address)

    async def _inspect(self, addresses: list[str]) -> None:
        """Inspect workers together, each admitted as soon as it has passed."""
        try:
            with ExitStack() as stack:
                proofs = await asyncio.to_thread(stack.enter_context, proofs_of(self._places))
                self._failure = ""
                await asyncio.gather(*(self._inspect_one(address, proofs) for address in addresses))
        except (OSError, EngineError) as error:  # the scheduler is lost
            self._failure = one_line(error)
        except Exception as error:  # noqa: BLE001 - the places are not to be seen here: the caller reports it
            self._failure = str(error)
        finally:
            for address in addresses:
                self._inspections.pop(address, None)
            self._select()

    async def _inspect_one(self, address: str, proofs: tuple[Proof, ...]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                problem, incarnation, kernel = await self._findings(address, proofs)
                if not problem and self.reach is not None:
                    problem = await self.reach(address)
        except TimeoutError:
            problem, incarnation, kernel = f"does not answer within {self._timeout_s:g} s", "", ""
        if problem:
            before = self._verdicts.get(address)
            if before is None or before.problem != problem:
                LOG.warning("the worker at %s is left out of %s: it %s", address, self._description, problem)
            Conditions.current().report(f"worker {address}", f"left out: it {problem}", ready=True)
        else:
            Conditions.current().clear(f"worker {address}")
        self._verdicts[address] = _Verdict(problem, incarnation, time.monotonic(), kernel)
        self._inspections.pop(address, None)
        self._select()

    async def _findings(self, address: str, proofs: tuple[Proof, ...]) -> tuple[str, str, str]:
        """Return a worker's problem, or an empty text, its incarnation, and the name of its kernel."""
        # A function of the standard library: a worker without lazytile could not unpickle one of ours.
        version = await self._run(address, pkgutil.resolve_name, "lazytile:__version__")
        if isinstance(version, CommClosedError):
            return "cannot be reached", "", ""
        if isinstance(version, ModuleNotFoundError):
            return f"has no lazytile, it needs version {__version__}", "", ""
        if isinstance(version, Exception):
            return f"cannot import lazytile: {one_line(version)}", "", ""
        if version != __version__:
            return f"has lazytile {version}, this process has {__version__}", "", ""
        findings = await self._run(address, inspect, self.token, proofs, self._kernel_name)
        if not isinstance(findings, Findings):
            return f"cannot be inspected: {one_line(findings)}", "", ""
        problem = difference(own_versions(), findings.versions) or findings.problem
        return problem, findings.incarnation, findings.kernel

    async def _run(self, address: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns on a worker, or the exception that it raises there."""
        answers = await self._client.run(function, *arguments, workers=[address], on_error="return")
        return answers[address]

    def _select(self) -> None:
        """Set the admitted workers."""
        verdicts = self._verdicts
        self.workers = {
            name: worker
            for name, worker in self._running.items()
            if worker.address in verdicts and not verdicts[worker.address].problem
        }
        if self.workers:
            self._empty_since = time.monotonic()

    def _forget(self, address: str) -> None:
        if self._verdicts.pop(address).problem:
            Conditions.current().clear(f"worker {address}")
