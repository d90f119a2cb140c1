"""Write the bundled colormaps, ``colormaps/*.xml``. The result is the same on every machine."""

from __future__ import annotations

import argparse
import math
from decimal import Decimal
from pathlib import Path

from lazytile.colormaps.core.model import Colormap, Interval
from lazytile.colormaps.core.round_scale import decimal_text
from lazytile.colormaps.formats.gibs_writer import write_gibs
from lazytile.colormaps.synthesis.continuous import Bin, binned_colormap, class_colormap
from lazytile.colormaps.synthesis.ramps import parse_hex, ramp_colours

CLASSES = (
    (1, "Water", "2f6fb0"),
    (2, "Trees", "2e6b3e"),
    (3, "Shrubs", "8f9f4f"),
    (4, "Grass", "b9d07a"),
    (5, "Crops", "e7c667"),
    (6, "Built-up", "b5453c"),
    (7, "Bare ground", "c9b79c"),
    (8, "Wetland", "5aa7a0"),
    (9, "Snow and ice", "eef4f7"),
    (10, "Cloud", "a9adb3"),
)


def stepped(
    name: str, title: str, units: str, *, ramp: str, first: str, step: str, count: int, tick_every: str
) -> Colormap:
    """Return a colormap of ``count`` bins of equal decimal width with open ends, ticks at multiples of a number."""
    start, width, stride = Decimal(first), Decimal(step), Decimal(tick_every)
    colours = ramp_colours(ramp, count + 2)
    edges = [start + width * position for position in range(count + 1)]
    texts = [decimal_text(edge, width) for edge in edges]
    ticks = [decimal_text(edge, stride) if edge % stride == 0 else None for edge in edges]
    bins = [Bin(Interval(-math.inf, float(edges[0])), colours[0], f"< {texts[0]}")]
    for i in range(count):
        interval = Interval(float(edges[i]), float(edges[i + 1]))
        tooltip = f"{texts[i]} – {texts[i + 1]}"  # noqa: RUF001
        bins.append(Bin(interval, colours[i + 1], tooltip, ticks[i] if i else None))
    bins.append(Bin(Interval(float(edges[-1]), math.inf, closed_upper=True), colours[-1], f"≥ {texts[-1]}"))
    ends = (f"< {decimal_text(edges[0], stride)}", f"≥ {decimal_text(edges[-1], stride)}")
    return binned_colormap(name, bins, title=title, units=units, ends=ends)


def bundled_colormaps() -> tuple[Colormap, ...]:
    """Return every bundled colormap."""
    classes = [((code,), text, parse_hex(colour)) for code, text, colour in CLASSES]
    return (
        stepped(
            "sea_surface_temperature",
            "Sea Surface Temperature",
            "K",
            ramp="ocean",
            first="270.00",
            step="0.15",
            count=240,
            tick_every="6",
        ),
        stepped(
            "air_temperature", "Air Temperature", "K", ramp="air", first="220.0", step="0.5", count=200, tick_every="20"
        ),
        stepped(
            "anomaly",
            "Temperature Anomaly",
            "K",
            ramp="diverging",
            first="-5.00",
            step="0.05",
            count=200,
            tick_every="2",
        ),
        stepped("grey", "Grey", "1", ramp="grey", first="0.00", step="0.01", count=100, tick_every="0.2"),
        class_colormap("classes", classes, title="Land Cover"),
    )


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    folder = Path(__file__).resolve().parent.parent / "colormaps"
    parser.add_argument("--folder", type=Path, default=folder, help="where to write (default: the package's folder)")
    target: Path = parser.parse_args().folder
    for colormap in bundled_colormaps():
        path = target / f"{colormap.name}.xml"
        write_gibs(colormap, path)
        print(path)


if __name__ == "__main__":
    main()
