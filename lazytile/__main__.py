"""``python -m lazytile`` is the command ``lazytile``."""

from __future__ import annotations

import sys

INTERRUPTED_CODE = 130


def main() -> None:
    """Run the command line as the console script. Ctrl-C ends it in one line also while it is being loaded."""
    try:
        from lazytile.service.cli.main import main as run  # noqa: PLC0415 - what takes time
    except KeyboardInterrupt:
        print("lazytile: interrupted", file=sys.stderr)  # noqa: T201 - this is the command line
        sys.exit(INTERRUPTED_CODE)
    run()


if __name__ == "__main__":
    main()
