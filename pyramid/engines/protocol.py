"""What callers and engines agree on: the names of engines, their options, and the faces for bulk work and for tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar
from urllib.parse import urlsplit

from lazytile.pyramid.core.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType


EngineKind = Literal["auto", "threads", "local", "cuda", "scheduler"]
ENGINE_CHOICES = "auto, threads, local, cuda, tcp://HOST:PORT or tls://HOST:PORT"
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which engine somebody asked for."""

    kind: EngineKind
    address: str = ""
    """Of the scheduler, for kind ``scheduler`` only, such as ``tcp://10.0.0.1:8786``."""

    def __post_init__(self) -> None:
        if (self.kind == "scheduler") != bool(self.address):
            raise EngineError(f"only an engine of kind scheduler has an address, got {self.kind} {self.address!r}")

    @classmethod
    def parse(cls, text: str) -> EngineSpec:
        """Read an engine's name as the command line spells it. Raises ``EngineError`` for any other text."""
        match text:
            case "auto" | "threads" | "local" | "cuda":
                return cls(text)
            case _ if text.startswith(("tcp://", "tls://")):
                return cls("scheduler", _checked_address(text))
            case _:
                raise EngineError(f"no engine is called {text!r}, allowed are {ENGINE_CHOICES}")

    def __str__(self) -> str:
        return self.address or self.kind


def _checked_address(text: str) -> str:
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = None
    if not (parts.hostname and port) or f"{parts.scheme}://{parts.netloc}" != text or "@" in parts.netloc:
        raise EngineError(f"a scheduler's address is tcp://HOST:PORT or tls://HOST:PORT, got {text!r}")
    return text


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to start an engine. What an engine has no use for it ignores."""

    workers: int | None = None
    """Threads of ``threads``, processes of ``local``, GPUs of ``cuda``; None is as many as the machine has."""
    dashboard: str | None = None
    """Address of Dask's dashboard for ``local`` and ``cuda``, such as ``127.0.0.1:8787``. It asks for no password."""
    connect_timeout_s: float = 10.0
    """How long a scheduler may take to answer, and its first worker to be there."""
    start_timeout_s: float = 60.0
    """How long the workers of ``local`` and ``cuda`` may take to start."""
    lost_timeout_s: float = 60.0
    """How long work waits for a worker to come back when all are gone."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise EngineError(f"an engine has at least one worker, got {self.workers}")
        if min(self.connect_timeout_s, self.start_timeout_s, self.lost_timeout_s) <= 0:
            raise EngineError("an engine's timeouts are seconds above 0")


class BulkEngine(Protocol):
    """Runs many independent tasks. Synchronous; a context manager that closes on leaving."""

    @property
    def description(self) -> str:
        """One line for people: ``threads, 8 threads``."""
        ...

    @property
    def capacity(self) -> int:
        """How many tasks run at the same time."""
        ...

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], *, label: str) -> Iterator[Result]:
        """Yield ``function(item)`` for every item, in the order in which they finish.

        ``function`` and the items must be picklable, and a task may run twice where a worker dies. Items are drawn
        from the iterable as room comes free, and only a small multiple of ``capacity`` is under way or waits to be
        taken, so neither items nor results pile up. The first exception of a task cancels what has not begun,
        waits for what runs in this process, and is raised unchanged; so do KeyboardInterrupt and closing the
        iterator early. Raises ``EngineError`` where the engine loses the work. ``label`` names the tasks in Dask's
        dashboard: letters and underscores.
        """
        ...

    def close(self) -> None:
        """Stop the workers that the engine started. Safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class TileTask(Protocol):
    """What a tile engine is given: a frozen, picklable value that says all of one metatile."""

    @property
    def key(self) -> str:
        """Equal for equal work, different for any other: a hash of generation and plan."""
        ...


class TileEngine(Protocol):
    """Renders metatiles. Asynchronous; an asynchronous context manager that closes on leaving."""

    @property
    def description(self) -> str:
        """One line for people: ``local, 2 worker processes, direct calls``."""
        ...

    @property
    def capacity(self) -> int:
        """How many tasks run at the same time: the measure for a queue in front of the engine."""
        ...

    @property
    def in_process(self) -> bool:
        """Whether tasks run in this process, so that handing one over costs next to nothing."""
        ...

    def render_inline(self, task: Any) -> tuple[bytes, ...] | None:
        """Return ``function(task)`` of a light task, computed here and now while the event loop waits.

        None where the engine would rather be asked by ``render``: tasks run elsewhere, or light ones have not been
        quick lately (``inline_render``). Equal keys under way are the caller's to look for.
        """
        ...

    async def render(self, task: Any) -> tuple[bytes, ...]:
        """Return ``function(task)``, the encoded tiles of one metatile.

        Equal keys that are under way at the same time are computed once. When everybody who waited for a key has
        been cancelled, work that has not begun is not done. Exceptions of the function are raised unchanged;
        ``EngineError`` where the engine lost the work twice.
        """
        ...

    async def close(self) -> None:
        """Stop the workers that the engine started. Safe to call twice."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def one_line(error: BaseException) -> str:
    """Return an exception's type and text as one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Mapper(Protocol):
    """The seam to the engines: runs a function over items wherever the engine has its workers."""

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], *, label: str) -> Iterator[Result]:
        """Yield the results as they come, in any order, with a bounded number of items in flight."""
        ...
