"""The content of a wheel, that it works without a checkout, and that type checkers see its types."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lazytile.pyramid.kernel.build import find_compiler, library_name
from tests.pyramid.netcdf import centres, write_grid

ROOT = Path(__file__).resolve().parent.parent
BUILT_FROM = (
    "pyproject.toml",
    "setup.py",
    "README.md",
    "LICENSE",
    "lazytile",
    "colormaps",
    "pyramid",
    "service",
    "scripts",
    "MANIFEST.in",
)
PAGE = {"index.html", "app.js", "app.css", "favicon.svg", "LICENSES.txt"}


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the sources, so that nothing an earlier build left in the tree gets in."""
    pytest.importorskip("build", reason="the package build is not installed (it is one of the extra dev)")
    folder = tmp_path_factory.mktemp("sources")
    unwanted = shutil.ignore_patterns("node_modules", "__pycache__", "dist")
    for name in BUILT_FROM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=unwanted)
        else:
            shutil.copy(source, folder / name)
    page = folder / "service" / "viewer" / "dist"
    page.mkdir(exist_ok=True)
    for name in PAGE:
        # Whether the page has been bundled is not what is tested here.
        (page / name).touch()
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "out"), cwd=folder)
    (path,) = (folder / "out").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_one_package_and_nothing_under_other_peoples_names(names):
    assert {name.split("/")[0].split("-")[0] for name in names} == {"lazytile"}
    assert {"lazytile/__init__.py", "lazytile/py.typed"} <= names


@pytest.mark.parametrize("package", ["colormaps", "pyramid", "service"])
def test_the_wheel_holds_every_module_and_colormap(names, package):
    sources = [f.relative_to(ROOT) for f in (ROOT / package).rglob("*.py") if "node_modules" not in f.parts]
    sources += [f.relative_to(ROOT) for f in (ROOT / package).rglob("*.xml") if "node_modules" not in f.parts]
    assert sources
    assert {f"lazytile/{source.as_posix()}" for source in sources} <= names


def test_the_wheel_holds_the_bundled_page_and_not_its_sources(names):
    page = {name for name in names if name.startswith("lazytile/service/viewer/")}
    assert page == {f"lazytile/service/viewer/dist/{name}" for name in PAGE}


def test_the_wheel_works_away_from_the_sources(wheel, tmp_path):
    site = tmp_path / "site"
    run(
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--target",
            str(site),
            str(wheel),
        ),
        cwd=tmp_path,
    )
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import importlib.metadata as m, lazytile.colormaps, lazytile.pyramid.tiling.tms, lazytile.service\n"
        f"assert lazytile.service.__file__.startswith({str(site)!r}), lazytile.service.__file__\n"
        f"(d,) = m.distributions(name='lazytile', path=[{str(site)!r}])\n"
        "entries = sorted((e.group, e.name, e.value) for e in d.entry_points)\n"
        "print(*(text for e in entries for text in e), d.version == lazytile.__version__)\n"
    )
    # -P keeps the current folder off the path, so that nothing but the wheel can be found first.
    assert run(sys.executable, "-P", "-c", program, cwd=tmp_path).split() == [
        "console_scripts",
        "lazytile",
        "lazytile.__main__:main",
        "xarray.backends",
        "lazytile",
        "lazytile.accessor:Backend",
        "True",
    ]


def test_the_wheel_holds_the_native_kernel_and_fits_every_python(wheel, names):
    if find_compiler() is None:
        pytest.skip("there is no C++ compiler")
    folder = "lazytile/pyramid/kernel/"
    sources = ("pixels.h", "rows.h", "pixels.cpp", "pixels.cu", "reduction.cpp", "level.cpp")
    sources += ("png.cpp", "deflate.h", "checksums.h")
    assert {f"{folder}source/{name}" for name in sources} <= names
    assert {name for name in names if name.startswith(f"{folder}lib/")} == {f"{folder}lib/{library_name()}"}
    assert re.fullmatch(r"lazytile-[0-9.]+-py3-none-(?!any)\w+\.whl", wheel.name)


@pytest.fixture(scope="module")
def pure(wheel, tmp_path_factory):
    """The wheel that a machine without a compiler builds, and what the build printed."""
    folder = tmp_path_factory.mktemp("pure")
    environment = {**os.environ, "PATH": str(folder), "CXX": ""}
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "out"), "."]
    done = subprocess.run(command, cwd=wheel.parent.parent, env=environment, capture_output=True, text=True, check=True)
    (path,) = (folder / "out").glob("*-py3-none-any.whl")
    return path, done.stdout


def test_without_a_compiler_the_wheel_fits_every_platform_and_says_why(pure):
    path, printed = pure
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if "/kernel/lib/" in name]
    assert printed.count("the native kernel is not built, tiles will be computed with NumPy: there is no C++") == 1


def test_an_installation_without_a_compiler_computes_with_numpy_and_says_so_once(pure, tmp_path):
    site = tmp_path / "site"
    options = ("--quiet", "--no-deps", "--no-index", "--target", str(site))
    run(sys.executable, "-m", "pip", "install", *options, str(pure[0]), cwd=tmp_path)
    codes = np.random.default_rng(1).integers(0, 9000, (90, 180)).astype("int16")
    write_grid(tmp_path / "d.nc", codes, centres(90, -2.0, 90), centres(-180, 2.0, 180), fill=-1)
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import lazytile, hashlib\n"
        "from pathlib import Path\n"
        "from lazytile.pyramid.ingest.convert import convert\n"
        "from lazytile.pyramid.kernel.selection import current_kernel\n"
        "if __name__ == '__main__':\n"
        f"    assert lazytile.__file__.startswith({str(site)!r}), lazytile.__file__\n"
        "    convert(Path('d.nc'), Path('store'), 'd')\n"
        "    tiles = [lazytile.render_tile('store', 'd', 'WebMercatorQuad', 1, 0, col) for col in (0, 1)]\n"
        "    print(current_kernel().name, *(hashlib.sha256(tile).hexdigest() for tile in tiles))\n"
    )
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    kernel, *digests = done.stdout.split()
    assert kernel == "numpy"
    assert len(set(digests)) == 2
    assert done.stderr.count("tiles are computed with NumPy: the native kernel is not built") == 1


def test_type_checkers_see_an_installation(tmp_path):
    """As a user of the installed package has it: no path of ours is given to mypy."""
    pytest.importorskip("mypy", reason="mypy is not installed (it is one of the extra dev)")
    try:
        importlib.metadata.distribution("lazytile")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("lazytile runs from its sources here and is not installed")
    consumer = tmp_path / "consumer.py"
    consumer.write_text(
        "from lazytile.pyramid.core.grid import Shape\n"
        "def tiles(shape: Shape) -> int:\n"
        "    return shape.rows * shape.cols\n"
        "answer: str = tiles(Shape(2, 3))\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), consumer.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    # One error, the deliberate one: without the types there would be none, or a complaint about the import.
    assert "consumer.py:4: error: Incompatible types in assignment" in done.stdout
    assert "Found 1 error in 1 file" in done.stdout


def test_a_wheel_without_the_viewer_is_not_built(wheel, tmp_path):
    """Where the viewer cannot be bundled the build fails, and says why."""
    tree = shutil.copytree(wheel.parent.parent, tmp_path / "tree", symlinks=True, ignore=shutil.ignore_patterns("out"))
    shutil.rmtree(tree / "service" / "viewer" / "dist")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in (("node", "echo v22.1.0"), ("npm", "echo no registry >&2; exit 1")):
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "out"), "."]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "the viewer could not be built" in done.stdout + done.stderr
    assert "a wheel without it would serve no map" in done.stdout + done.stderr
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_the_addresses_of_the_project_are_those_of_one_repository():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    source = urls["Source"]
    assert source.startswith("https://")
    assert set(urls) >= {"Source", "Documentation", "Issues", "Changelog"}
    assert all(url == source or url.startswith(f"{source}/") for url in urls.values())
    cited = re.findall(r"^repository-code: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited == [source]


def test_no_document_says_that_lazytile_is_published():
    """Until it is: pip would install another project, or nothing."""
    pages = [ROOT / "README.md", ROOT / "deploy" / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = {path: path.read_text() for path in pages}
    for path, page in text.items():
        assert "pypi.org/project/lazytile" not in page, path
        assert not re.search(r"pip install (-U |--upgrade )?lazytile\b(?![-\[])", page), path
    assert "not on PyPI yet" in text[ROOT / "docs" / "tutorials" / "index.md"]
