"""Settings of Hypothesis, and the state of the process that each test starts from."""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import HealthCheck, settings

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.sources import open_files
from tests import chromium, realstore

# Servers that tests start must not request colormaps from the network.
os.environ.setdefault("LAZYTILE_OFFLINE", "true")

# No deadlines: slow machines would make tests flaky. Each run draws new examples; a failure prints how to reproduce it.
settings.register_profile(
    "lazytile", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("lazytile")


@pytest.fixture(scope="session", autouse=True)
def _keep_files_open():
    """Hand the source files that are open on from one process object to the next.

    netCDF's library crashes where the collector closes a file in one thread while another thread reads, and a process
    object that a test gives up is collected by any thread, such as that of a server.
    """
    key = "source files"
    install, reinstall = process.install, process.reinstall

    def handed_on(replace):
        def run(argument):
            files = process.current().resource(key, open_files.Handles)
            found = replace(argument)
            process.current().replace(key, files)
            return found

        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "install", handed_on(install))
        patch.setattr(process, "reinstall", handed_on(reinstall))
        yield


@pytest.fixture(autouse=True)
def _reset_loggers():
    """Reset the levels of loggers, which commands that run in this process set."""
    yield
    for name in ("lazytile", "lazytile.pyramid.engines.factory"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="session", autouse=True)
def _close_browsers():
    """Stop the browsers that tests have shared."""
    yield
    chromium.close_all()


@pytest.fixture(scope="session")
def real_store(tmp_path_factory):
    """Return a store of every real file, one for all processes of the run."""
    folder = tmp_path_factory.getbasetemp()
    return realstore.real_store((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "real-store")


@pytest.fixture(scope="session")
def real_server(real_store, tmp_path_factory):
    """Serve the store of every real file."""
    from tests.service.harness import running

    with running(real_store, tmp_path_factory.mktemp("real-service") / "cache") as server:
        yield server


@pytest.fixture
def fresh_process():
    """Install a process with empty caches and nothing registered, for one test."""
    process.install(CacheBudget.renderer(64 << 20))
    yield
    process.install(CacheBudget.renderer(64 << 20))
