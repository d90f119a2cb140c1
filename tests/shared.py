"""Reference data that developers have beside their checkout."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def shared(*parts: str) -> Path:
    """Return a path below the reference data, or skip the test with the reason."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference data is not beside the checkout: {'/'.join(('..', 'shared', *parts))}")
    return path
