"""The one step of a build that pyproject.toml cannot describe: the native kernel, where there is a compiler.

Without one, or where it fails, the package is installed without the library and computes with NumPy. A wheel with the
library fits one platform and every Python: nothing in it is linked with Python.
"""

import runpy
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
# By way of lazytile/, whose folders are links in a clone and folders in an sdist.
KERNEL = runpy.run_path(str(HERE / "lazytile" / "pyramid" / "kernel" / "build.py"))


class BuildWithKernel(build_py):
    """Copies the modules, and builds the library beside them."""

    def run(self) -> None:
        """Build; say in one line why there is no library."""
        super().run()
        root = HERE / "lazytile" if self.editable_mode else Path(self.build_lib) / "lazytile"
        try:
            KERNEL["build"](root / "pyramid" / "kernel" / "lib")
        except KERNEL["BuildError"] as error:
            print(f"lazytile: the native kernel is not built, tiles will be computed with NumPy: {error}")  # noqa: T201


class PlatformDistribution(Distribution):
    """Has compiled code where there is a compiler."""

    def has_ext_modules(self) -> bool:
        """Return whether the wheel fits one platform only."""
        return KERNEL["find_compiler"]() is not None


class WheelOfEveryPython(bdist_wheel):
    """Names a wheel with the library after its platform, not after a Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tags of interpreter, ABI and platform."""
        return super().get_tag() if self.root_is_pure else ("py3", "none", super().get_tag()[2])


setup(distclass=PlatformDistribution, cmdclass={"build_py": BuildWithKernel, "bdist_wheel": WheelOfEveryPython})
