"""The storage protocol, the same on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.options import StorageOptions
from lazytile.pyramid.storage.protocol import ConflictError, ObjectTooLargeError, StorageError
from tests.pyramid.storage.conftest import REMOTE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(params=REMOTE)
def root(request: pytest.FixtureRequest, place_of: Callable[[str], str]) -> ObjectPath:
    """Return an empty prefix of each kind of storage."""
    found = location(place_of(request.param))
    assert isinstance(found, ObjectPath)
    return found


def test_what_is_put_is_there_whole_and_in_parts(root: ObjectPath, tmp_path: Path) -> None:
    storage, key = root.storage, (root / "a/b").key
    storage.put(key, bytes(range(100)))
    found = storage.get(key)
    assert found is not None
    assert found.data == bytes(range(100))
    assert storage.get_ranges(key, [(3, 7), (90, 100)]) == [bytes(range(3, 7)), bytes(range(90, 100))]
    assert storage.get_end(key, 10) == (bytes(range(90, 100)), 100)
    assert storage.get_end(key, 1000) == (bytes(range(100)), 100)
    (tmp_path / "large").write_bytes(b"x" * (6 << 20))
    storage.put(key, tmp_path / "large")
    assert storage.get_end(key, 1) == (b"x", 6 << 20)
    with pytest.raises(ObjectTooLargeError, match="6291456 bytes, 100 are allowed"):
        storage.get(key, limit=100)


def test_an_object_that_ends_before_a_range_gives_what_it_has(root: ObjectPath) -> None:
    storage, key, empty = root.storage, (root / "a/short").key, (root / "a/empty").key
    storage.put(key, b"0123456789")
    assert storage.get_ranges(key, [(8, 15)]) == [b"89"]
    assert storage.get_ranges(key, [(20, 25)]) == [b""]
    assert storage.get_ranges(key, [(0, 3), (20, 25)]) == [b"012", b""]
    assert storage.get_ranges(key, [(0, 3), (9 << 20, 10 << 20)]) == [b"012", b""]
    storage.put(empty, b"")
    assert storage.get_end(empty, 5) == (b"", 0)
    assert storage.get_ranges(empty, [(0, 5)]) == [b""]
    assert (root / "a/empty").exists()


def test_what_is_not_there_is_none(root: ObjectPath) -> None:
    storage, key = root.storage, (root / "nothing").key
    assert storage.get(key) is None
    assert storage.get_ranges(key, [(0, 1)]) is None
    assert storage.get_end(key, 1) is None
    storage.delete([key])
    assert list(storage.list(key)) == []
    assert storage.folders(key) == ()
    with pytest.raises(FileNotFoundError):
        storage.copy(key, f"{key}2")
    assert not (root / "nothing").exists()
    with pytest.raises(FileNotFoundError):
        (root / "nothing").read_bytes()


def test_conditional_puts_happen_once(root: ObjectPath) -> None:
    storage, key = root.storage, (root / "pointer").key
    with pytest.raises(ConflictError):
        storage.put(key, b"0", if_match="0123")
    first = storage.put(key, b"1", if_absent=True)
    with pytest.raises(ConflictError):
        storage.put(key, b"2", if_absent=True)
    second = storage.put(key, b"2", if_match=first)
    with pytest.raises(ConflictError):
        storage.put(key, b"3", if_match=first)
    found = storage.get(key)
    assert found is not None
    assert (found.data, found.etag) == (b"2", second)


def test_objects_are_listed_copied_and_removed(root: ObjectPath) -> None:
    storage = root.storage
    for name in ("a/1", "a/2", "ab/3", "a/c/4"):
        storage.put((root / name).key, name.encode())
    start = len(root.key) + 1
    listed = {entry.key[start:]: entry.size for entry in storage.list((root / "a").key)}
    assert listed == {"a/1": 3, "a/2": 3, "a/c/4": 5}
    assert storage.folders(root.key) == ("a", "ab")
    assert storage.folders((root / "a").key) == ("c",)
    storage.copy((root / "a/1").key, (root / "d/1").key)
    assert (root / "d/1").read_text() == "a/1"
    storage.delete([(root / name).key for name in ("a/1", "a/2", "none")])
    assert [entry.key[start:] for entry in storage.list((root / "a").key)] == ["a/c/4"]


@pytest.mark.parametrize("url", ["s3://bucket/a/b", "gs://bucket/a/b", "az://c/a/b", "https://host/a/b", "file:///a/b"])
def test_paths_join_and_split_like_any_path(url: str) -> None:
    path = location(url)
    assert isinstance(path, ObjectPath)
    assert str(path) == f"{url}"
    assert str(path / "0" / "c") == f"{url}/0/c"
    assert path.parent / "b" == path
    assert path.name == "b"
    assert path.key.endswith("a/b")
    assert path.resolve() == path
    assert location(str(path)) == location(path) == path
    import pickle
    from pathlib import Path as LocalPath

    assert str(location(LocalPath(url))) == url
    again = pickle.loads(pickle.dumps(path))
    assert (type(again), str(again)) == (ObjectPath, url)
    with pytest.raises(StorageError, match="object storage"):
        path.mkdir()


def test_folders_stay_folders(tmp_path: Path) -> None:
    for place in (tmp_path, "store", "./s3", "a:/b", "s3:"):
        assert not isinstance(location(place), ObjectPath)


def test_web_servers_are_read_only() -> None:
    pytest.importorskip("obstore")
    path = location("https://example.org/store/datasets.json")
    assert isinstance(path, ObjectPath)
    with pytest.raises(StorageError, match="web servers are read only; use s3://, gs:// or az://"):
        path.storage.put(path.key, b"")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("POLL_S", "never", "a number from 0.05 to 3600"),
        ("REQUESTS", "1.5", "a whole number from 1 to 256"),
        ("RETRY_S", "-1", "from 0 to 3600"),
        ("CACHE_BYTES", "12", "at least 1 MiB"),
    ],
)
def test_options_say_what_is_allowed(monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str) -> None:
    monkeypatch.setenv(f"LAZYTILE_STORAGE_{name}", value)
    with pytest.raises(StoreError, match=f"LAZYTILE_STORAGE_{name} .*{allowed}"):
        StorageOptions.from_environment()
