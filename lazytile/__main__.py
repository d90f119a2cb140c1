"""``python -m lazytile`` is the command ``lazytile``."""

from lazytile.service.cli.main import main

if __name__ == "__main__":
    main()
