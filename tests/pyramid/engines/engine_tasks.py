"""Functions that the engines' tests run on workers, separate so that a worker need not import pytest."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from lazytile.pyramid.cluster.read_counts import ReadCounts
from lazytile.pyramid.core.errors import InvalidParameterError, StoreError
from lazytile.pyramid.core.request_field import RequestField

DEADLINE_S = 30.0


@dataclass(frozen=True)
class Task:
    """A tile task that writes mark files to a folder."""

    key: str
    folder: str = ""
    deed: str = ""
    """Its behaviour: see ``render``."""
    place: str = ""
    """Its locality."""


class ObstinateError(Exception):
    """Pickles, and cannot be unpickled."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def mark(folder, name):
    """Leave a mark, and return whether it is the first of that name."""
    path = Path(folder, f"{name}.{os.getpid()}.{time.monotonic_ns()}")
    first = not list(Path(folder).glob(f"{name}.*"))
    path.touch()
    return first


def marks(folder, name="*"):
    """Count the marks of a name."""
    return len(list(Path(folder).glob(f"{name}.*")))


def wait_for(path):
    """Wait until the file exists."""
    deadline = time.monotonic() + DEADLINE_S
    while not Path(path).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.005)


def die():
    """End this process as the kernel does on excessive memory use."""
    os.kill(os.getpid(), signal.SIGKILL)


def square(number):
    return number * number


def process_id(number):
    return os.getpid()


def visible_devices(number):
    return os.environ["CUDA_VISIBLE_DEVICES"]


def pretended_device():
    return "pretended"


def fail_on_three(job):
    folder, number = job
    mark(folder, "begun")
    if number == 3:
        raise InvalidParameterError(RequestField.TIME, "no such time in chunk 3")
    time.sleep(0.02)
    return number


def slow(job):
    folder, number = job
    mark(folder, "begun")
    if number:
        time.sleep(0.2)
    mark(folder, "ended")
    return number


def die_once(job):
    folder, number = job
    if number == 3 and mark(folder, "death"):
        die()
    return number


def die_always(number):
    die()


def render(task):
    """Return the id of the process as bytes, in place of a tile."""
    if task.folder:
        first = mark(task.folder, task.key)
        match task.deed:
            case "read":
                ReadCounts.current().add(1000)
                ReadCounts.current().add(234)
            case "wait":
                wait_for(Path(task.folder, "gate"))
            case "die once" if first:
                die()
            case "die":
                die()
            case "fail":
                raise StoreError(f"chunk of {task.key} is damaged")
            case "fail obstinately":
                raise ObstinateError("this", "that")
    return task.key.encode(), str(os.getpid()).encode()


def locality(task):
    return task.place or task.key


def render_until_stopped(task, stop):
    """Leave a mark, and another one when the flag is set."""
    mark(task.folder, "begun")
    deadline = time.monotonic() + DEADLINE_S
    while not stop.is_set and time.monotonic() < deadline:
        time.sleep(0.005)
    if stop.is_set:
        mark(task.folder, "stopped")
    stop.check()
    return (b"",)


def encoder(_):
    """Return the name of what encodes tiles in this process."""
    from lazytile.pyramid.render.image import png8_encoder

    time.sleep(0.05)
    return png8_encoder()
