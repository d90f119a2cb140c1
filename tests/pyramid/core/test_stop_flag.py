"""A stop flag is set once, and seen through its object and its address."""

import ctypes

import pytest

from lazytile.pyramid.core.stop_flag import StopFlag, StoppedError


def test_a_flag_is_seen_at_its_address():
    stop = StopFlag()
    at = ctypes.cast(stop.address, ctypes.POINTER(ctypes.c_int32))
    stop.check()
    assert (stop.is_set, at[0]) == (False, 0)
    stop.set()
    assert (stop.is_set, at[0]) == (True, 1)
    with pytest.raises(StoppedError):
        stop.check()
