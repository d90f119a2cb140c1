"""The library is built where it can be, found by its sources, checked when it is loaded, and refused if it is wrong."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.kernel import build as build_module
from lazytile.pyramid.kernel import structs
from lazytile.pyramid.kernel.build import BuildError, build, find_compiler, library_name
from lazytile.pyramid.kernel.library import load_library
from lazytile.pyramid.kernel.selection import choose_kernel, current_kernel, install_kernel
from tests.pyramid.kernel.libraries import library_of

ROOT = Path(__file__).resolve().parents[3]
SANITIZED = ("-O1", "-g", "-DLT_CHECKS", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def sanitizer() -> str:
    """Return the sanitizer's library, to be loaded before everything else; skip without it."""
    compiler = find_compiler()
    if compiler is None or not Path(compiler).name.startswith("g++"):
        pytest.skip("the sanitizers are loaded as g++ has them")
    found = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    if not Path(found.stdout.strip()).is_absolute():
        pytest.skip("g++ has no sanitizers here")
    return found.stdout.strip()


@pytest.mark.parametrize("flags", [(), ("-DLT_AS_GPU",)], ids=["processor", "gpu"])
def test_no_access_is_out_of_bounds_and_no_operation_undefined(flags):
    preloaded = sanitizer()
    command = [sys.executable, "-m", "tests.pyramid.kernel.sanitized", str(library_of(*SANITIZED, *flags)), "0", "25"]
    environment = {**os.environ, "LD_PRELOAD": preloaded, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "equal\n"), done.stderr[-3000:]


def test_the_sanitizer_would_see_an_access_out_of_bounds(tmp_path):
    preloaded = sanitizer()
    program = (
        "import ctypes, pathlib, sys\n"
        "import numpy as np\n"
        "from lazytile.pyramid.core.packing import Packing\n"
        "from lazytile.pyramid.kernel.code_tables import OutputTable\n"
        "from lazytile.pyramid.kernel.library import load_library\n"
        "from lazytile.pyramid.kernel.structs import host_address, output_struct\n"
        "library = load_library(pathlib.Path(sys.argv[1]), 1)\n"
        "values, out = np.zeros(1000), np.zeros(1001)\n"
        "struct = output_struct(OutputTable.of_values(Packing('float64')), host_address)\n"
        "library.paint(host_address(values), 1001, ctypes.addressof(struct), host_address(out))\n"
    )
    environment = {**os.environ, "LD_PRELOAD": preloaded, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, str(library_of(*SANITIZED))]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "heap-buffer-overflow" in done.stderr


def test_a_library_whose_products_are_contracted_is_refused():
    flags = {"x86_64": ("-march=x86-64-v3",)}.get(os.uname().machine, ())
    library = library_of("-O2", "-ffp-contract=fast", *flags)
    if os.uname().machine == "x86_64" and ctypes.CDLL(str(library)).lt_level() < 3:
        pytest.skip("this processor has no fused multiply-add")
    with pytest.raises(EngineError, match="contracted products"):
        load_library(library, 1)


def test_a_library_with_other_structs_is_refused(monkeypatch):
    library = library_of("-O0")
    monkeypatch.setattr(structs, "STRUCTS", (structs.JobStruct,))
    with pytest.raises(EngineError, match="other structs"):
        load_library(library, 1)


def test_a_level_that_does_not_exist_is_refused():
    with pytest.raises(EngineError, match="has no level 2 for this processor, it has 1"):
        load_library(library_of("-O0"), 2)


def test_the_name_changes_with_the_sources(tmp_path, monkeypatch):
    for source in (ROOT / "pyramid" / "kernel" / "source").iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    name = library_name()
    assert re.fullmatch(r"pixels-\w+-[0-9a-f]{16}\.(so|dylib)", name)
    monkeypatch.setattr(build_module, "SOURCES", tmp_path)
    assert library_name() == name
    with (tmp_path / "pixels.h").open("a") as header:
        header.write("\n")
    assert library_name() != name


def test_without_a_compiler_numpy_computes_and_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(BuildError, match="there is no C"):
        build(tmp_path)
    monkeypatch.setattr("lazytile.pyramid.kernel.selection.library_path", lambda: tmp_path / library_name())
    assert choose_kernel("auto").name == "numpy"
    assert len(caplog.messages) == 1
    assert "tiles are computed with NumPy: the native kernel is not built" in caplog.text
    with pytest.raises(EngineError, match="is not built"):
        choose_kernel("native")


def test_a_failing_compiler_is_named(tmp_path, monkeypatch):
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\necho 'error: no such header' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(BuildError, match=r"c\+\+ fails: error: no such header"):
        build(tmp_path / "lib")
    assert not list((tmp_path / "lib").iterdir())


def test_a_kernel_that_does_not_exist_is_refused():
    with pytest.raises(EngineError, match="there is no kernel 'fast', there is auto, native, numpy"):
        choose_kernel("fast")


def test_the_environment_selects_the_kernel(monkeypatch, fresh_process):
    monkeypatch.setenv("LAZYTILE_KERNEL", "numpy")
    assert current_kernel().name == "numpy"
    process.current().replace("kernel", None)
    monkeypatch.setenv("LAZYTILE_KERNEL", "quick")
    with pytest.raises(EngineError, match="there is no kernel 'quick'"):
        current_kernel()
    monkeypatch.setenv("LAZYTILE_KERNEL", "auto")
    monkeypatch.setenv("LAZYTILE_KERNEL_LEVEL", "AVX")
    with pytest.raises(EngineError, match="LAZYTILE_KERNEL_LEVEL is 'AVX', it may be 1, 3 or 4"):
        current_kernel()


def test_an_installed_kernel_computes(fresh_process):
    kernel = choose_kernel("numpy")
    install_kernel(kernel)
    assert current_kernel() is kernel
