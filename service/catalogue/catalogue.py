"""The current snapshot of a server process, replaced as a whole after a change.

Where the folders are watched, a change is noted before any request that was sent after it is read: the kernel queues
the event before the command that made it returns. Requests for the dataset then wait for the next snapshot, all others
use the current one. A dataset that cannot be watched costs one ``stat`` a request instead. A changed colormap shows
once the next snapshot is read: in a fraction of a second, after ``poll_s`` where its folder cannot be watched.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core.conditions import Conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lazytile.pyramid.catalog.snapshot import Snapshot, SnapshotReader
    from lazytile.service.catalogue.folder_watch import FolderWatch

_Result = TypeVar("_Result")
LOG = logging.getLogger(__name__)
CONDITION = "catalogue"


class Catalogue:
    """Datasets and colormaps as they are now. Belongs to one event loop."""

    def __init__(self, reader: SnapshotReader, watch: FolderWatch, poll_s: float) -> None:
        """Serve from a store; ``open`` reads it.

        Args:
            reader: Makes snapshots.
            watch: Watches the folders.
            poll_s: How often to look at what cannot be watched.
        """
        self._reader = reader
        self._watch = watch
        self._poll_s = poll_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lazytile-catalogue")
        self._snapshot: Snapshot | None = None
        self._notes = 0
        """Number of the last note that something may have changed."""
        self._changed: dict[str, int] = {}
        """Datasets that may have changed since the snapshot was read, with the number of the note."""
        self._everything = 0
        """Number of the note that anything may have changed; 0 without one."""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        """Requests that wait until a note has been read."""
        self._reading: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []
        self.is_quiet = False
        """Whether the snapshot has everything as it is: all folders are watched, and nothing was noted."""

    @property
    def snapshot(self) -> Snapshot:
        """The current snapshot.

        Raises:
            RuntimeError: ``open`` was not awaited.
        """
        if self._snapshot is None:
            raise RuntimeError("the catalogue is not open")
        return self._snapshot

    async def open(self) -> None:
        """Read everything, and follow changes from then on."""
        loop = asyncio.get_running_loop()
        self._snapshot = await loop.run_in_executor(self._thread, self._read, None)
        _report_damage(None, self._snapshot)
        number = self._watch.fileno()
        if number is not None:
            loop.add_reader(number, self._take_changes)
        self._polling = asyncio.create_task(self._poll())
        self._set_quiet()

    async def close(self) -> None:
        """Follow changes no longer."""
        number = self._watch.fileno()
        if number is not None:
            asyncio.get_running_loop().remove_reader(number)
        tasks = [task for task in (self._polling, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._thread.shutdown(wait=True)
        self._watch.close()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a function, on the loop, whenever the snapshot is replaced.

        Args:
            listener: The function; it must not block.
        """
        self._listeners.append(listener)

    def is_current(self, name: str) -> bool:
        """Return whether the snapshot has a dataset as it is on disk.

        Args:
            name: Of the dataset.

        Returns:
            False after a change that the snapshot does not have yet.
        """
        if self.is_quiet:
            return True
        if self._everything or name in self._changed:
            return False
        return self._watch.sees(name) or self._reader.is_same(self.snapshot, name)

    async def at(self, layer: str, *, again: bool = False) -> Snapshot:
        """Return a snapshot that has the dataset of a layer as it is now.

        Args:
            layer: Name of the layer or dataset.
            again: Whether to read the dataset even if no change of it was seen.

        Returns:
            The snapshot.
        """
        name = layer.partition(".")[0]
        if again or not self.is_current(name):
            noted = self._everything or self._changed.get(name)
            if again or not noted:
                self.note((name,))
                noted = self._notes
            await self._until_read(noted)
        return self.snapshot

    async def whole(self) -> Snapshot:
        """Return a snapshot that has every dataset as it is now, for documents that list them."""
        if not self._watch.sees_all:
            self.note()
        if self._everything or self._changed:
            await self._until_read(self._notes)
        return self.snapshot

    def note(self, names: Iterable[str] | None = None) -> None:
        """Take note that something may have changed, and read it.

        Args:
            names: Of the datasets; None for anything, colormaps too.
        """
        self._notes += 1
        if names is None:
            self._everything = self._notes
        else:
            self._changed |= dict.fromkeys(names, self._notes)
        self.is_quiet = False
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_changes())

    async def _until_read(self, note: int) -> None:
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((note, done))
        await done

    def _take_changes(self) -> None:
        changes = self._watch.changes()
        if changes.everything or changes.colormaps:
            self.note()
        elif changes.names:
            self.note(changes.names)

    async def _read_changes(self) -> None:
        """Read what was noted, until nothing is left."""
        try:
            while self._everything or self._changed:
                note, names = self._notes, None if self._everything else frozenset(self._changed)
                try:
                    snapshot = await self._in_thread(self._read, names)
                except (LazytileError, OSError) as error:
                    LOG.warning("the catalogue cannot be read, the last one stays: %s", error)
                    Conditions.current().report(CONDITION, f"it cannot be read: {error}", ready=True)
                else:
                    Conditions.current().clear(CONDITION)
                    self._replace(snapshot)
                self._everything = self._everything if self._everything > note else 0
                self._changed = {name: each for name, each in self._changed.items() if each > note}
                self._set_quiet()
                self._wake(note)
        finally:
            self._reading = None
            self._wake(self._notes)

    def _replace(self, snapshot: Snapshot) -> None:
        if snapshot is self._snapshot:
            return
        _report_damage(self._snapshot, snapshot)
        self._snapshot = snapshot
        for listener in self._listeners:
            listener()

    def _set_quiet(self) -> None:
        self.is_quiet = self._watch.sees_all and not self._everything and not self._changed

    def _wake(self, note: int) -> None:
        """Let the requests go on that wait for a note up to this one."""
        for number, done in self._waiting:
            if number <= note and not done.done():
                done.set_result(None)
        self._waiting = [(number, done) for number, done in self._waiting if number > note]

    def _read(self, names: frozenset[str] | None) -> Snapshot:
        """Watch, then read; in the thread."""
        if names is None:
            self._watch.add_store()
            self._watch.add_colormaps()
            self._watch.add(self._reader.entries())
        else:
            self._watch.add(names)
        return self._reader.read(self._snapshot, names)

    async def _poll(self) -> None:
        """Look at what cannot be watched, again and again."""
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                has_changed = await self._in_thread(self._may_have_changed)
            except Exception:  # noqa: BLE001 - whatever it is, the next look may succeed
                has_changed = True  # reading says what is wrong
            if has_changed:
                self.note()

    async def _in_thread(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Return what a function returns in the thread. Raises ``CancelledError`` where the program ends."""
        try:
            future = self._thread.submit(function, *arguments)
        except RuntimeError as error:
            # The pools of a program end before the thread of a server in a notebook does.
            raise asyncio.CancelledError from error
        return await asyncio.wrap_future(future)

    def _may_have_changed(self) -> bool:
        """Return whether what is not watched has changed, or the store has become another folder; in the thread."""
        if self._watch.add_store() or not self._watch.sees_all:
            return True
        return not self._watch.sees_colormaps and self._reader.has_other_colormaps(self.snapshot)


def _report_damage(last: Snapshot | None, snapshot: Snapshot) -> None:
    """Log what a snapshot says for the first time of descriptions that cannot be read, and list them in /readyz."""
    before = {} if last is None else {name: str(error) for name, error in last.damaged.items()}
    now = {name: str(error) for name, error in snapshot.damaged.items()}
    conditions = Conditions.current()
    for name in before.keys() - now.keys():
        LOG.warning("dataset %s: its description can be read again", name)
        conditions.clear(_description_of(name))
    for name, problem in now.items():
        if before.get(name) != problem:
            LOG.error("dataset %s: its description cannot be read: %s", name, problem)
            conditions.report(_description_of(name), f"it cannot be read: {problem}", ready=True)


def _description_of(dataset: str) -> str:
    """Return the key of the condition that a dataset's description cannot be read."""
    return f"description of dataset {dataset}"
