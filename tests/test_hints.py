"""Every hint to install something names an extra that there is."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = set(PROJECT["optional-dependencies"])
SOURCES = sorted(
    path
    for folder in ("colormaps", "pyramid", "service", "lazytile")
    for path in (ROOT / folder).rglob("*.py")
    if "node_modules" not in path.parts and not (folder == "lazytile" and path.parent.name != "lazytile")
)
FIELD = "{}"


def texts(source):
    """All texts of a module, those of f-strings with their fields as ``{}``; adjacent literals are joined."""
    tree = ast.parse(source)
    inside = {id(each) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else FIELD for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def hints(source):
    """Extras that the texts of a module name, and what else they want to be installed."""
    for text in texts(source):
        for names in re.findall(r"lazytile\[([^\]]*)\]", text):
            yield from (f"extra {name}" for name in names.split(","))
        for what in re.findall(r"pip install (?:--\S+ )*(\S+)", text):
            if what != "lazytile" and not what.strip("'\"").startswith("lazytile["):
                yield f"package {what}"


def all_hints():
    return {(path.relative_to(ROOT).as_posix(), hint) for path in SOURCES for hint in hints(path.read_text())}


def test_hints_are_seen():
    source = 'raise E(f"{path} needs lerc: " f"pip install \'lazytile[lerc,{name}]\'")\nE("pip install rasterio")'
    assert set(hints(source)) == {"extra lerc", "extra {}", "package rasterio"}
    assert ("pyramid/render/lerc2.py", "extra lerc") in all_hints()


def test_every_hint_names_an_extra_of_this_project():
    # The first is tested below; the second lists the extras of the installed package's own metadata.
    computed = {"pyramid/sources/formats/virtual_zarr.py", "service/cli/doctor/installation.py"}
    wrong = {(path, hint) for path, hint in all_hints() if hint.removeprefix("extra ") not in EXTRAS}
    assert {(path, hint) for path, hint in wrong if not (path in computed and hint == "extra {}")} == set()


@pytest.mark.parametrize("name", ["icechunk", "kerchunk"])
def test_the_computed_hints_name_extras_too(name):
    assert name in EXTRAS
    assert f'"{name}"' in (ROOT / "pyramid/sources/formats/virtual_zarr.py").read_text()


def test_the_extra_all_has_every_reader():
    everything = PROJECT["optional-dependencies"]["all"]
    named = {name for each in everything for name in re.fullmatch(r"lazytile\[(.*)\]", each)[1].split(",")}
    readers = {"export", "geotiff", "grib", "hdf5plugin", "healpix", "icechunk", "kerchunk", "lerc", "regrid", "remote"}
    assert readers <= named <= EXTRAS
