"""The pointer of a store: swapped once, looked at seldom, and outlasting storage that does not answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.pointer import CurrentPointers, Published, read_pointers, swap_pointer
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.service.catalogue.pointer_watch import PointerWatch

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def root(place_of: Callable[[str], str]) -> ObjectPath:
    found = location(place_of("memory"))
    assert isinstance(found, ObjectPath)
    return found


def test_many_writers_of_many_datasets_lose_nothing(root: ObjectPath) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda n: swap_pointer(root, f"d{n}", None, Published(f"{n:x}", n)), range(24)):
            pass
    assert {name: each.published_ns for name, each in read_pointers(root).datasets.items()} == {
        f"d{number}": number for number in range(24)
    }


def test_only_the_state_that_was_seen_is_replaced(root: ObjectPath) -> None:
    one, two, three = (Published(token, 1) for token in "123")
    swap_pointer(root, "d", None, one)
    swap_pointer(root, "d", None, one)  # the answer to the first was lost
    with pytest.raises(StoreError, match="was changed meanwhile by another writer"):
        swap_pointer(root, "d", two, three)
    swap_pointer(root, "d", one, two)
    swap_pointer(root, "d", two, None)
    assert read_pointers(root).datasets == {}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "\xff\x00",
        '{"format": 99, "datasets": {}}',
        '{"format": 1e999, "datasets": {}}',
        '{"format": 1, "datasets": []}',
        '{"format": 1, "datasets": {"d": {"token": "../d", "published_ns": 1}}}',
        '{"format": 1, "datasets": {"d": {"token": "1", "published_ns": 1e999}}}',
        '{"format": 1, "datasets": {"d": {"token": "1", "published_ns": 1e99}}}',
        '{"format": 1, "datasets": {"d": {"token": "1", "published_ns": -1}}}',
    ],
)
def test_what_is_no_pointer_is_an_error_of_the_store(root: ObjectPath, content: str) -> None:
    path = root / "datasets.json"
    path.storage.put(path.key, content.encode("latin-1"))
    with pytest.raises(StoreError, match=r"is no pointer of a store|this version reads"):
        read_pointers(root)


def test_it_is_looked_at_after_a_while_only(root: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    looks: list[None] = []
    real = root.storage.get

    def get(key: str, limit: int | None = None) -> object:
        looks.append(None)
        return real(key, limit)

    monkeypatch.setattr(root.storage, "get", get)
    pointers = CurrentPointers(root, 3.0, lambda: now[0])
    for _ in range(50):
        assert pointers.get().datasets == {}
    assert len(looks) == 1
    swap_pointer(root, "d", None, Published("1", 1))
    assert pointers.get().datasets == {}
    now[0] += 3.1
    assert set(pointers.get().datasets) == {"d"}


def test_the_last_look_holds_while_storage_does_not_answer(root: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    swap_pointer(root, "d", None, Published("1", 1))
    pointers = CurrentPointers(root, 3.0, lambda: now[0])
    assert set(pointers.get().datasets) == {"d"}

    def fail(key: str, limit: int | None = None) -> object:
        raise StorageError(f"{key} cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(root.storage, "get", fail)
        now[0] += 10
        assert set(pointers.get().datasets) == {"d"}
        assert [each.key for each in Conditions.current().all()] == [f"store {root}"]
        assert all(each.ready for each in Conditions.current().all())
        with pytest.raises(StorageError):
            pointers.refresh()
        with pytest.raises(StorageError):
            CurrentPointers(root, 3.0).get()
    now[0] += 10
    pointers.get()
    assert Conditions.current().all() == ()


def test_the_catalogue_learns_of_changes_by_looking(root: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = PointerWatch(root, ())
    try:
        assert watch.add_store()
        assert not watch.add_store()
        assert watch.sees_all
        assert watch.sees("d")
        swap_pointer(root, "d", None, Published("1", 1))
        watch._pointers.refresh()
        assert watch.add_store()
        assert not watch.add_store()
    finally:
        watch.close()
