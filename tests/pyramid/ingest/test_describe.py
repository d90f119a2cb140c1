"""What ``info`` shows of a source and of the dataset that it becomes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.finding import Finding
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.ingest.describe import describe, format_description
from lazytile.pyramid.store.dataset import Dataset
from tests.pyramid.netcdf import centres, write_grid

if TYPE_CHECKING:
    from pathlib import Path


def test_findings_and_remarks_come_back_from_json(tmp_path: Path) -> None:
    write_grid(tmp_path / "in.nc", np.zeros((4, 8), "i2"), centres(0, 1, 4), centres(0, 1, 8))
    dataset = convert(tmp_path / "in.nc", tmp_path)
    findings = (Finding("rows", "latitude y", "axis"), Finding("kind", "classes", "name", guessed=True))
    variable = replace(dataset.variables[0], understanding=findings)
    told = replace(dataset, variables=(variable,), remarks=("a remark",))
    assert Dataset.from_json(told.to_json()) == told


def test_descriptions_of_earlier_versions_have_no_findings(tmp_path: Path) -> None:
    write_grid(tmp_path / "in.nc", np.zeros((4, 8), "i2"), centres(0, 1, 4), centres(0, 1, 8))
    document = convert(tmp_path / "in.nc", tmp_path).to_json()
    del document["remarks"]
    del document["variables"][0]["understanding"]
    earlier = Dataset.from_json(document)
    assert earlier.remarks == ()
    assert earlier.variables[0].understanding == ()


def test_each_finding_is_a_line_and_says_what_was_guessed(tmp_path: Path) -> None:
    write_grid(tmp_path / "in.nc", np.zeros((4, 8), "i2"), centres(0, 1, 4), centres(0, 1, 8))
    convert(tmp_path / "in.nc", tmp_path)
    description = describe(tmp_path / "in.zarr")
    findings = (Finding("rows", "latitude y", "axis"), Finding("kind", "classes", "name", guessed=True))
    told = replace(description, variables=(replace(description.variables[0], understanding=findings),))
    lines = format_description(told).splitlines()
    assert "      rows      latitude y, by axis" in lines
    assert "      kind      classes, by name (guessed)" in lines
