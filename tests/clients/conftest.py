import pytest

from tests import data
from tests.clients.page import libraries
from tests.service.harness import running
from tests.shared import SHARED


@pytest.fixture(scope="session")
def map_libraries():
    libraries()


@pytest.fixture(scope="session")
def map_server(request, tmp_path_factory):
    """Serve the store of every real file, where there are any, else a few tidy layers."""
    if (SHARED / "realdata").exists():
        yield request.getfixturevalue("real_server")
        return
    folder = tmp_path_factory.mktemp("clients")
    for name in ("global_180", "time_steps", "antimeridian"):
        data.CATALOGUE[name]().write(folder / "store")
    with running(folder / "store", folder / "cache") as server:
        yield server
