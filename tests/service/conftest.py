import pytest

from tests import data
from tests.schemas import schema
from tests.service.harness import running

DATASETS = ("global_180", "time_steps", "extra_dimension", "two_variables", "antimeridian", "mercator", "odd_sizes")


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    for name in DATASETS:
        data.CATALOGUE[name]().write(folder)
    return folder


@pytest.fixture(scope="session")
def server(store, tmp_path_factory):
    with running(store, tmp_path_factory.mktemp("service") / "cache") as server:
        yield server


@pytest.fixture(scope="session")
def capabilities_schema():
    return schema("wmts", "1.0", "wmtsGetCapabilities_response.xsd")


@pytest.fixture(scope="session")
def exception_schema():
    return schema("ows", "1.1.0", "owsExceptionReport.xsd")
