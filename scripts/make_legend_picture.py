"""Draw six legends side by side: the picture ``docs/legends.png`` of the documentation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from lazytile.colormaps.legends.layout import LegendStyle, plan_legend
from lazytile.colormaps.legends.png import legend_image
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.colormaps.synthesis.continuous import range_colormap
from lazytile.colormaps.synthesis.ramps import ramp_colours

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap

HEIGHT = 400
LIGHT, DARK = (250, 250, 248), (24, 28, 35)


def six_colormaps() -> tuple[Colormap, ...]:
    """Return the colormaps of the picture: bundled ones, and two generated for a range."""
    bundled = ColormapCatalog()
    chlorophyll = range_colormap(
        "chlorophyll",
        lambda count: ramp_colours("algae", count),
        0.02,
        30.0,
        title="Chlorophyll Concentration",
        units="mg m-3",
        log=True,
    )
    rain = range_colormap(
        "rain", lambda count: ramp_colours("rain", count), 0.0, 120.0, title="Daily Precipitation", units="mm"
    )
    return (
        bundled.find("sea_surface_temperature"),
        bundled.find("air_temperature"),
        bundled.find("anomaly"),
        chlorophyll,
        rain,
        bundled.find("classes"),
    )


def picture() -> Image.Image:
    """Return the legends side by side, half of them on light and half on dark."""
    drawn: list[tuple[Image.Image, tuple[int, int, int]]] = []
    for position, colormap in enumerate(six_colormaps()):
        on_dark = position >= 3
        style = LegendStyle("vertical", "light" if on_dark else "dark", width=168, height=HEIGHT)
        drawn.append((legend_image(plan_legend(colormap, style)), DARK if on_dark else LIGHT))
    whole = Image.new("RGB", (sum(image.width for image, _ in drawn), HEIGHT), LIGHT)
    left = 0
    for image, background in drawn:
        whole.paste(background, (left, 0, left + image.width, HEIGHT))
        whole.paste(image, (left, 0), image)
        left += image.width
    return whole


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parent.parent / "docs" / "legends.png"
    parser.add_argument("--output", type=Path, default=default, help="where to write (default: docs/legends.png)")
    path: Path = parser.parse_args().output
    path.parent.mkdir(parents=True, exist_ok=True)
    picture().save(path, optimize=True)
    print(path)


if __name__ == "__main__":
    main()
