"""``python -m lazytile.service`` is the command ``lazytile``."""

from __future__ import annotations

from lazytile.service.cli.main import main

if __name__ == "__main__":
    main()
