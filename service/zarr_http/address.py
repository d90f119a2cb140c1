"""The addresses below ``/zarr``: a dataset, perhaps one generation of it, and a key of its Zarr hierarchy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

PREFIX = "/zarr"
NODE = "zarr.json"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class ZarrAddress:
    """An address, split but not looked up: nothing of it ever becomes part of a path on the disk."""

    dataset: str
    generation: str | None
    """None for the dataset as it is now."""
    node: str
    """Path of a group or array in the hierarchy; empty for the root."""
    chunk: tuple[int, ...] | None
    """Index of a chunk or shard along each axis; None for the metadata of the node."""
    is_key: bool
    """Whether the rest of the address is spelled like a key."""

    @classmethod
    def parse(cls, path: str) -> Self:
        """Split a path.

        Args:
            path: Below ``/zarr/``, decoded.

        Returns:
            The address.
        """
        first, *segments = path.split("/")
        dataset, at, generation = first.partition("@")
        wanted = generation if at else None
        if segments and segments[-1] == NODE:
            return cls(dataset, wanted, "/".join(segments[:-1]), None, is_key=True)
        if len(segments) > 2 and segments[2] == "c" and all(map(_NUMBER.fullmatch, segments[3:])):
            return cls(dataset, wanted, "/".join(segments[:2]), tuple(map(int, segments[3:])), is_key=True)
        return cls(dataset, wanted, "", None, is_key=False)


def store_url(base_url: str, dataset: str, generation: str | None = None) -> str:
    """Return the address of a dataset's Zarr.

    Args:
        base_url: Of the server, without a slash at its end.
        dataset: Its name.
        generation: The generation to name; None for the dataset as it is at any time.

    Returns:
        The URL, without a slash at its end.
    """
    return f"{base_url}{PREFIX}/{dataset}{'' if generation is None else f'@{generation}'}"
