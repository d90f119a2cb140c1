"""What tests of linked datasets share."""

from __future__ import annotations

import pytest

from lazytile.pyramid.linked.direct_chunks import DirectChunks


@pytest.fixture
def unpacked(monkeypatch):
    """Return the chunks that are read without zarr-python."""
    found = []
    read = DirectChunks._unpacked

    def noting(chunks, index, into):
        found.append(index)
        return read(chunks, index, into)

    monkeypatch.setattr(DirectChunks, "_unpacked", noting)
    return found
