"""What a worker is asked before it gets work, and the record on the worker that it was asked.

The record is a token in the worker process: a process that was started since, at the same address, has none and refuses
the work until it is inspected, too.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.cluster.versions import own_versions
from lazytile.pyramid.core import process

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.cluster.proofs import Proof

MAX_TOKENS = 1024
"""Most pieces of work that a worker process is recorded as fit for; the oldest is forgotten, and inspected again."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The state of a worker process."""

    incarnation: str
    """Random text, another one in every process."""
    versions: dict[str, str]
    problem: str
    """Why it does not see what the work needs; empty where it does."""
    kernel: str = ""
    """Name of what computes tiles there, where that was asked."""


class _Record:
    """The tokens of a process."""

    def __init__(self) -> None:
        self.incarnation = secrets.token_hex(8)
        self.tokens: OrderedDict[str, None] = OrderedDict()


def _record() -> _Record:
    return process.current().resource("inspections", _Record)


def inspect(token: str, proofs: tuple[Proof, ...], kernel_name: Callable[[], str] | None = None) -> Findings:
    """Inspect this process on a worker, and record that it is fit where it sees everything.

    Args:
        token: Identifies the work.
        proofs: What the work needs.
        kernel_name: Returns the name of what computes tiles in a process.

    Returns:
        The findings. The caller compares the versions.
    """
    record = _record()
    problem = next((text for text in (proof.problem() for proof in proofs) if text), "")
    if not problem:
        record.tokens[token] = None
        record.tokens.move_to_end(token)
        while len(record.tokens) > MAX_TOKENS:
            record.tokens.popitem(last=False)
    return Findings(record.incarnation, own_versions(), problem, "" if kernel_name is None else kernel_name())


def is_inspected(token: str) -> bool:
    """Return whether this process was inspected for some work.

    Args:
        token: Identifies the work.

    Returns:
        Whether it was, and saw everything.
    """
    return token in _record().tokens


def incarnation() -> str:
    """Return a random text that is another one in every process."""
    return _record().incarnation
