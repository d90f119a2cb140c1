"""The recipe for conda requires what the project requires."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OTHER_NAMES = {"isal": "python-isal", "prometheus-client": "prometheus_client"}
"""Where conda-forge calls a package of PyPI otherwise."""


def test_the_recipe_requires_what_the_project_requires():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = (ROOT / "conda" / "meta.yaml").read_text()
    required = re.search(r"\n  run:\n(.*?)\n\n", recipe, re.DOTALL)[1]
    found = dict(re.findall(r"- (\S+) (\S+)", required))
    expected = {"python": project["requires-python"]}
    for line in project["dependencies"]:
        name, bound = re.fullmatch(r"([\w.-]+)(\S+)", line.partition(";")[0].strip()).groups()
        expected[OTHER_NAMES.get(name, name.lower())] = bound
    assert found == expected
    assert f'version = "{project["version"]}"' in recipe


def test_the_citation_has_the_version_and_licence_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nlicense: {project['license']}\n" in citation
