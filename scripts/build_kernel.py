"""Build the native kernel of a checkout, or say in one line why tiles will be computed with NumPy."""

from __future__ import annotations

from lazytile.pyramid.kernel.build import FOLDER, BuildError, build


def main() -> None:
    """Build the library and remove those of other sources. A machine without a compiler is no fault."""
    try:
        path = build()
    except BuildError as error:
        print(f"lazytile: the native kernel is not built, tiles will be computed with NumPy: {error}")
        return
    for stale in FOLDER.glob("pixels-*"):
        if stale != path:
            stale.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
