"""The contract between callers and engines: names, options, and the protocols for bulk work and for tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar
from urllib.parse import urlsplit

from lazytile.pyramid.cluster.places import NOWHERE, Places
from lazytile.pyramid.core.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from lazytile.pyramid.core.caches import CacheBudget
    from lazytile.pyramid.core.stop_flag import StopFlag


EngineKind = Literal["auto", "threads", "local", "cuda", "scheduler"]
ENGINE_CHOICES = "auto, threads, local, cuda, tcp://HOST:PORT or tls://HOST:PORT"
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """The requested engine."""

    kind: EngineKind
    address: str = ""
    """Of the scheduler, for kind ``scheduler`` only, such as ``tcp://10.0.0.1:8786``."""

    def __post_init__(self) -> None:
        if (self.kind == "scheduler") != bool(self.address):
            raise EngineError(f"only an engine of kind scheduler has an address, got {self.kind} {self.address!r}")

    @classmethod
    def parse(cls, text: str) -> EngineSpec:
        """Parse an engine's name as the command line spells it.

        Args:
            text: One of ``ENGINE_CHOICES``.

        Returns:
            The engine.

        Raises:
            EngineError: The text names no engine.
        """
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
    """Options of starting an engine. An engine ignores those that do not apply to it."""

    workers: int | None = None
    """Threads of ``threads``, processes of ``local``, GPUs of ``cuda``; None: as many as this process may use."""
    dashboard: str | None = None
    """Address of Dask's dashboard for ``local`` and ``cuda``, such as ``127.0.0.1:8787``. It asks for no password."""
    connect_timeout_s: float = 10.0
    """Limit for a scheduler to answer and to have its first worker."""
    start_timeout_s: float = 60.0
    """Limit for the workers of ``local`` and ``cuda`` to start."""
    lost_timeout_s: float = 60.0
    """Limit for work to wait for a new worker when all are lost."""
    unavailable_s: float = 10.0
    """Limit for tiles to wait for a worker when there is none: a killed one is back after some seconds."""
    fallback: Literal["none", "threads"] = "none"
    """What renders tiles while a cluster is not available."""
    start_gpu: Callable[[], str] | None = None
    """Starts what computes on the GPU of a worker of ``cuda``, and returns its name; importable on the workers. Without
    it the GPU is only tried."""
    kernel_name: Callable[[], str] | None = None
    """Returns the name of what computes tiles in a process; importable on the workers, which are asked for people."""
    start: Callable[[], None] | None = None
    """Called in every process that the engine starts, after its caches are there; importable in them."""
    caches: CacheBudget | None = None
    """Of all workers that the engine starts, divided among them; without it each has the default of a process."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise EngineError(f"an engine has at least one worker, got {self.workers}")
        if min(self.connect_timeout_s, self.start_timeout_s, self.lost_timeout_s, self.unavailable_s) <= 0:
            raise EngineError("an engine's timeouts are seconds above 0")


class BulkEngine(Protocol):
    """Runs many independent tasks. Synchronous; a context manager that closes on leaving."""

    @property
    def description(self) -> str:
        """One line for people, such as ``threads, 8 threads``."""
        ...

    @property
    def capacity(self) -> int:
        """Number of tasks that run at the same time."""
        ...

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, label: str, places: Places = NOWHERE
    ) -> Iterator[Result]:
        """Run a function on every item and yield the results in the order of finishing.

        Only a small multiple of ``capacity`` is under way or waits to be taken, so neither items nor results pile
        up. The first exception of a task cancels the tasks that have not begun, waits for those that run, and is
        raised unchanged; KeyboardInterrupt and an early ``close`` of the iterator do the same.

        Args:
            function: Picklable, as its items. It may run twice for an item where a worker dies.
            items: Drawn as tasks finish.
            label: Name of the tasks in Dask's dashboard: letters and underscores.
            places: What the tasks read and write: workers that do not see it are left out.

        Yields:
            ``function(item)`` of each item.

        Raises:
            EngineError: The engine lost the work, or no worker sees the places.
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
    """The input of a tile engine: a frozen, picklable value that describes one metatile completely."""

    @property
    def key(self) -> str:
        """Equal for equal work, different for any other: a hash of generation and plan."""
        ...


@dataclass(frozen=True, slots=True)
class TileWork:
    """What a tile engine does."""

    function: Callable[[Any], tuple[bytes, ...]]
    """Renders one task; importable on the workers and thread-safe."""
    locality: Callable[[Any], str] | None = None
    """Names what a task reads: tasks of one name go to the same worker and find its caches warm. Without it the
    task's key decides."""
    shared: tuple[type, ...] = ()
    """Classes of values that many tasks have in common, which travel by hash."""
    places: Places = NOWHERE
    """What the tasks read."""
    stoppable: Callable[[Any, StopFlag], tuple[bytes, ...]] | None = None
    """``function`` where it can be stopped: it raises ``StoppedError`` soon after the flag is set. Importable, too."""


class TileEngine(Protocol):
    """Renders metatiles. Asynchronous; an asynchronous context manager that closes on leaving."""

    @property
    def description(self) -> str:
        """One line for people, such as ``local, 2 worker processes, direct calls``."""
        ...

    @property
    def capacity(self) -> int:
        """Number of tasks that run at the same time, by which a queue in front of the engine is sized."""
        ...

    @property
    def workers(self) -> int:
        """Number of its workers at present: threads, or workers of a cluster."""
        ...

    @property
    def in_process(self) -> bool:
        """Whether tasks run in this process, so that a hand-over costs next to nothing."""
        ...

    @property
    def kernels(self) -> frozenset[str]:
        """Names of what computes tiles on its workers at present; none where tasks run in this process."""
        ...

    def render_inline(self, task: Any) -> tuple[bytes, ...] | None:
        """Return the tiles of a light task, computed at once while the event loop waits.

        Args:
            task: A ``TileTask``.

        Returns:
            The encoded tiles; None where ``render`` is to be used: tasks run elsewhere, or recent light tasks were
            slow (``inline_render``).
        """
        ...

    async def render(self, task: Any, *, is_heavy: bool = False) -> tuple[bytes, ...]:
        """Return the encoded tiles of one metatile.

        Callers share equal keys (``SingleFlight``): the engine is given a key once at a time. When the caller is
        cancelled, work that has not begun is dropped; work in a thread of this process is asked to stop, and the
        caller gets control back when it has. Exceptions of the function are raised unchanged.

        Args:
            task: A ``TileTask``.
            is_heavy: Whether it takes long: it then keeps no thread from light tasks.

        Returns:
            The encoded tiles.

        Raises:
            EngineUnavailableError: The engine cannot work at the moment.
            EngineError: The engine lost the work twice, or was closed.
        """
        ...

    async def move(self, places: Places) -> None:
        """Inspect the workers for other places, which tasks read from now on. Tasks under way are not disturbed.

        Args:
            places: What the tasks read.

        Raises:
            EngineError: No worker sees them; the places are those of before.
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
    """Return an exception's type and text as one line.

    Args:
        error: Any exception.

    Returns:
        ``Type: text``, or the type where there is no text.
    """
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
