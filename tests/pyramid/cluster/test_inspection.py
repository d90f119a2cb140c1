"""What a worker is asked, and its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.cluster.inspection import inspect, is_inspected
from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.cluster.proofs import Fingerprint, proofs_of
from lazytile.pyramid.cluster.versions import difference, own_versions
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget

if TYPE_CHECKING:
    from pathlib import Path


def test_a_process_is_fit_for_what_it_has_seen(fresh_process: None, tmp_path: Path) -> None:
    with proofs_of(Places.of(folders=(tmp_path,))) as proofs:
        assert inspect("one", proofs).problem == ""
        blind = inspect("two", (*proofs, Fingerprint("/nowhere/at/all", "0")))
    assert blind.problem == "does not see /nowhere/at/all"
    assert is_inspected("one")
    assert not is_inspected("two")
    assert blind.kernel == ""
    assert inspect("one", proofs, lambda: "native AVX2").kernel == "native AVX2"


def test_another_process_has_another_incarnation_and_an_empty_record(fresh_process: None) -> None:
    first = inspect("one", ())
    assert inspect("two", ()).incarnation == first.incarnation
    process.install(CacheBudget.renderer(8 << 20))
    assert not is_inspected("one")
    assert inspect("one", ()).incarnation != first.incarnation


def test_the_record_is_bounded(fresh_process: None) -> None:
    for number in range(3000):
        inspect(str(number), ())
    kept = [number for number in range(3000) if is_inspected(str(number))]
    assert len(kept) < 2000
    assert kept[-1] == 2999


def test_versions_that_decide_bytes_are_compared() -> None:
    own = own_versions()
    assert {"Python", "lazytile", "numpy", "zarr", "numcodecs", "Pillow", "google-crc32c"} <= set(own)
    assert own["Python"].count(".") == 1
    assert difference(own, dict(own)) == ""
    for name in own:
        text = difference(own, {**own, name: "0.0"})
        assert text == f"has {name} 0.0, this process has {own[name]}"
    assert difference(own, {name: text for name, text in own.items() if name != "lerc"}) == ""
