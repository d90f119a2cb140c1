"""Sizes of memory as text, and the memory of the machine."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazytile.pyramid.core import memory_size
from lazytile.pyramid.core.memory_size import (
    cgroup_memory_bytes,
    default_memory_bytes,
    machine_memory_bytes,
    parse_memory,
)

MACHINE = 16 << 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2GiB", 2 << 30),
        ("2gib", 2 << 30),
        ("2Gi", 2 << 30),
        ("1.5 GiB", 3 << 29),
        ("512MB", 512_000_000),
        ("512m", 512_000_000),
        ("2048KiB", 2 << 20),
        ("1TB", 10**12),
        ("25%", 4 << 30),
        ("12.5 %", 2 << 30),
        ("100%", 16 << 30),
        ("1073741824", 1 << 30),
        ("1073741824B", 1 << 30),
        ("9007199254740993", 9007199254740993),
        ("0", 0),
        ("0%", 0),
    ],
)
def test_sizes(text, expected):
    assert parse_memory(text, MACHINE) == expected


@pytest.mark.parametrize(
    "text",
    ["", "GiB", "-1GiB", "2 bananas", "1e9", "101%", "nan", "inf", "2GiBB", "0x10", "1,5GiB", "٢GiB", "2%B", "9" * 40],
)
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="must be a size such as 2GiB, 512MB or 25%"):
        parse_memory(text, MACHINE)


@pytest.mark.parametrize("text", ["512", "1000000", "1kB", "0.0001%"])
def test_a_size_without_its_unit_is_noticed(text):
    with pytest.raises(ValueError, match=r"must be 0 or at least 1 MiB, got .*; write the unit"):
        parse_memory(text, MACHINE)


@given(st.text(max_size=20))
def test_any_text_is_a_size_or_a_value_error(text):
    try:
        size = parse_memory(text, MACHINE)
    except ValueError:
        return
    assert size == 0 or size >= 1 << 20


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/", {}, None),
        ("", {"memory.max": "8388608"}, None),
        ("0::/", {"memory.max": "8388608\n"}, 8388608),
        ("0::/", {"memory.max": "max\n"}, None),
        ("0::/", {"memory.max": "nonsense"}, None),
        ("0::/a/b", {"memory.max": "max", "a/memory.max": "16777216", "a/b/memory.max": "33554432"}, 16777216),
        ("0::/of/the/host", {"memory.max": "8388608"}, 8388608),
        (
            "4:memory:/a",
            {"memory/memory.limit_in_bytes": "9437184", "memory/a/memory.limit_in_bytes": "8388608"},
            8388608,
        ),
        ("3:cpu,cpuacct:/\n4:memory:/", {"cpu/memory.max": "1", "memory/memory.limit_in_bytes": "8388608"}, 8388608),
    ],
)
def test_the_limit_of_control_groups(tmp_path, membership, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cgroup_memory_bytes(membership, tmp_path) == expected


def test_the_machine_has_no_more_than_its_own_memory(monkeypatch):
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit, expected in ((None, machine), (1 << 23, 1 << 23), (1 << 62, machine)):
        monkeypatch.setattr(memory_size, "cgroup_memory_bytes", lambda *_, limit=limit: limit)
        assert machine_memory_bytes() == expected


def test_the_default_is_an_eighth_of_the_machine():
    assert default_memory_bytes() * 8 == pytest.approx(machine_memory_bytes(), abs=8)
