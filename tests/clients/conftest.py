import pytest

from tests import data
from tests.clients.page import libraries
from tests.service.harness import running


@pytest.fixture(scope="session")
def map_libraries():
    libraries()


@pytest.fixture(scope="session")
def map_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clients")
    for name in ("global_180", "time_steps", "antimeridian"):
        data.CATALOGUE[name]().write(folder / "store")
    with running(folder / "store", folder / "cache") as server:
        yield server
