"""One server for each module of browser tests: of synthetic datasets (``site``), and of real files (``real``)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.browser.real_store import real_store
from tests.data import CATALOGUE
from tests.faults.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a layer of the globe, one with times, one across 180 degrees, and one with a dimension more."""
    store = tmp_path_factory.mktemp("store")
    for name in ("global_180", "time_steps", "antimeridian"):
        CATALOGUE[name]().write(store)
    of_wind = CATALOGUE["extra_dimension"]()
    # As a temperature it is offered in more styles than one.
    replace(of_wind, fields=(replace(of_wind.fields[0], units="kelvin"),)).write(store)
    return store


@pytest.fixture(scope="module")
def site(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of synthetic datasets."""
    with serving(datasets, tmp_path_factory.mktemp("work") / "cache") as server:
        yield f"http://127.0.0.1:{server.port}/"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of real files of many kinds."""
    store = real_store(tmp_path_factory.getbasetemp())
    with serving(store, tmp_path_factory.mktemp("work") / "cache") as server:
        yield f"http://127.0.0.1:{server.port}/"
