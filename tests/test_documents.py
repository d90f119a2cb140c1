"""The documents name what is there: settings, dependencies, make targets, files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from lazytile.pyramid.catalog import tile_options
from lazytile.pyramid.render.image import ImageFormat
from lazytile.service.http.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
SERVING = (ROOT / "docs" / "serving.md").read_text()
SETTINGS_TABLE = SERVING.split("<!-- settings: begin -->")[1].split("<!-- settings: end -->")[0]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    return {re.match(r"[A-Za-z0-9_.-]+", one)[0] for one in listed} - {"lazytile"}


@pytest.mark.parametrize("setting", sorted(Settings.model_fields))
def test_every_setting_is_documented(setting):
    assert f"`{setting}`" in SETTINGS_TABLE


def test_no_setting_is_documented_that_is_not_there():
    rows = [line.split("|")[1] for line in SETTINGS_TABLE.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(Settings.model_fields)


@pytest.mark.parametrize("option", sorted(tile_options.NAMES))
def test_every_option_of_tiles_is_documented(option):
    assert f"| `{option}=" in SERVING


@pytest.mark.parametrize("image_format", list(ImageFormat))
def test_every_format_of_tiles_is_documented(image_format):
    assert f"`{image_format.extension}`" in SERVING


@pytest.mark.parametrize("package", sorted(dependencies()))
def test_every_dependency_has_its_reason(package):
    table = CONTRIBUTING.split("## Dependencies")[1]
    name = re.sub(r"-cuda\d+x$", "", package)
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", table), package


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", ".ci/run"])
def test_make_targets_and_files_that_documents_name_are_there(document):
    text = (ROOT / document).read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert [path for path in linked if not (ROOT / path).exists()] == []
