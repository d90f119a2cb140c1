"""NVRTC compiles the GPU's kernels for real GPUs, without spills, in few registers. Needs no GPU."""

from __future__ import annotations

import re

import pytest

from lazytile.pyramid.cuda.program import program_options, program_source

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="NVRTC is not installed: make gpu-check")
RESOURCES = re.compile(
    r"Compiling entry function '(\w+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers",
    re.DOTALL,
)
REGISTERS = 64
"""The 65,536 of a multiprocessor are enough for 1,024 threads, half of what it holds."""


def compiled(type_name, architecture):
    """Return registers and bytes of spills of each kernel."""
    error, program = nvrtc.nvrtcCreateProgram(program_source().encode(), b"pixels.cu", 0, [], [])
    assert not int(error)
    options = [*program_options(type_name), f"--gpu-architecture={architecture}", "--ptxas-options=-v"]
    (error,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    assert not int(error), log.decode()
    return {
        name: (int(used), int(stored) + int(loaded)) for name, stored, loaded, used in RESOURCES.findall(log.decode())
    }


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
@pytest.mark.parametrize("type_name", ["i8", "u8", "i16", "u16", "f32", "f64"])
def test_kernels_fit_into_registers(type_name, architecture, record_property):
    kernels = compiled(type_name, architecture)
    names = {"nearest", "rows_first", "mode", "mesh_nearest", "mesh_mean", "mesh_mode"}
    if type_name[0] == "f":
        names.add("cols_first")
    assert set(kernels) == {f"lt_{name}_{type_name}" for name in names} | {"lt_place", "lt_check"}
    record_property("kernels", kernels)
    assert max(registers for registers, _ in kernels.values()) <= REGISTERS
    assert {name: spills for name, (_, spills) in kernels.items() if spills} == {}
