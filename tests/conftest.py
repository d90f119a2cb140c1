"""Settings of hypothesis for the whole suite."""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import HealthCheck, settings

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget

# Servers that tests start, in whatever process, ask no other people's servers for colormaps.
os.environ.setdefault("LAZYTILE_OFFLINE", "true")

# A slow machine is no failure: time limits would make tests flicker. Examples are drawn anew in each run and a
# failing one prints the lines that repeat it.
settings.register_profile(
    "lazytile", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("lazytile")


@pytest.fixture(autouse=True)
def _loggers_as_they_were():
    """The command line, run in this process, sets levels of loggers; the next test is to find none."""
    yield
    for name in ("lazytile", "lazytile.pyramid.engines.factory"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def fresh_process():
    """A process with empty caches and nothing registered, for one test alone."""
    process.install(CacheBudget.renderer(64 << 20))
    yield
    process.install(CacheBudget.renderer(64 << 20))
