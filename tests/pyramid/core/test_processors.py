"""Processors are counted by affinity and by the quota of the cgroups."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core import cgroups, processors
from lazytile.pyramid.core.processors import cgroup_quota, processor_count

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {}, None),
        ("0::/a.slice/b.scope", {"a.slice/b.scope/cpu.max": "max 100000", "a.slice/cpu.max": "200000 100000"}, 2.0),
        ("0::/a/b", {"a/b/cpu.max": "50000 100000", "a/cpu.max": "200000 100000"}, 0.5),
        # The host's path, seen from a container whose mount begins at its own cgroup.
        ("0::/docker/0123", {"cpu.max": "300000 100000"}, 3.0),
        ("0::/../x", {"x/cpu.max": "300000 100000"}, 3.0),
        ("1:cpu:/\n0::/", {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, 2.5),
        ("1:cpu:/\n0::/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (
            "4:cpu,cpuacct:/j/1",
            {"cpu,cpuacct/j/cpu.cfs_quota_us": "400000", "cpu,cpuacct/j/cpu.cfs_period_us": "100000"},
            4.0,
        ),
        ("9:name=systemd:/\n3:cpuset:/", {"cpuset/cpu.cfs_quota_us": "1", "cpuset/cpu.cfs_period_us": "1"}, None),
        ("0::/", {"cpu.max": "damaged"}, None),
        ("0::/", {"cpu.max": "100000 0"}, None),
        ("", {"cpu.max": "100000 100000"}, None),
    ],
)
def test_the_least_quota_of_a_cgroup_and_its_parents(
    tmp_path: Path, membership: str, files: dict[str, str], quota: float | None
) -> None:
    write(tmp_path, files)
    assert cgroup_quota(membership, tmp_path) == quota


@pytest.mark.parametrize(("text", "count"), [("150000 100000", 2), ("10000 100000", 1), ("max 100000", 8)])
def test_a_quota_bounds_the_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, count: int) -> None:
    write(tmp_path, {"membership": "0::/", "mount/cpu.max": text})
    monkeypatch.setattr(cgroups, "_MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(processors, "MOUNT", tmp_path / "mount")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert processor_count() == count


def test_a_system_without_cgroups_or_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_MEMBERSHIP", tmp_path / "missing")
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert processor_count() == 6


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity masks")
def test_affinity_bounds_the_count() -> None:
    text = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    text += "from lazytile.pyramid.core.processors import processor_count\nprint(processor_count())"
    assert subprocess.check_output([sys.executable, "-c", text], text=True).strip() == "1"
