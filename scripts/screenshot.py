"""Take a screenshot of the running viewer with a headless Chromium: ``python scripts/screenshot.py``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from browser import BrowserError, open_page


async def take(url: str, width: int, height: int, scale: float) -> bytes:
    """Load the page, wait until every visible tile is drawn, and return a screenshot as PNG."""
    async with open_page(width, height, scale) as page:
        await page.go(url)
        await page.wait_until("document.documentElement.dataset.state === 'ready'")
        # Time for the legend, the new tiles and the progress bar to fade in.
        await asyncio.sleep(1)
        picture = await page.screenshot()
        for line in page.console:
            print(f"console: {line}", file=sys.stderr)
    return picture


def main(
    url: Annotated[str, typer.Argument(help="Address of the viewer, with a permalink's #.")] = "http://127.0.0.1:8080/",
    output: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("docs/screenshot.png"),
    width: Annotated[int, typer.Option(help="CSS pixels.")] = 1440,
    height: Annotated[int, typer.Option(help="CSS pixels.")] = 860,
    scale: Annotated[float, typer.Option(help="Device pixels per CSS pixel.")] = 1,
) -> None:
    """Take a screenshot of the running viewer."""
    try:
        picture = asyncio.run(take(url, width, height, scale))
    except BrowserError as error:
        print(f"screenshot: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(picture)
    print(output)


if __name__ == "__main__":
    typer.run(main)
