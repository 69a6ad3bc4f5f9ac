#!/usr/bin/env python3
"""Write sizes_table.rs: the sizes that easy-thumbnails gives, for a hundred pairs of a picture and a request.

    scripts/python bench python crates/plaza-image/src/tests/sizes_table.py

Its own processor runs here, on blank pictures.
"""

from importlib.metadata import version
from pathlib import Path

from django.conf import settings

settings.configure(INSTALLED_APPS=["easy_thumbnails"])

from easy_thumbnails.processors import scale_and_crop  # noqa: E402
from PIL import Image  # noqa: E402

# Its options for each of our modes.
OPTIONS = {
    "Fill": {"crop": True, "upscale": True},
    "Fit": {},
    "Cover": {"crop": "scale"},
}

# Photographs, odd sides, what halves to .5, and what is smaller than most requests.
COMMON = [
    (4000, 3000), (3000, 4000), (2048, 1365), (1365, 2048), (1999, 1333), (97, 61), (101, 100), (640, 360),
    (255, 257), (100, 25), (100, 75), (333, 500), (2047, 2047),
]  # fmt: skip
# The largest of these need no more than 200 MB on the way: a fill is scaled before it is cut.
EXTREME = [(1, 1), (3, 1000), (1000, 3), (16384, 1), (1, 16384)]
REQUESTS = [
    ("Fill", 32, 32), ("Fit", 320, 0), ("Cover", 320, 320), ("Fill", 640, 360), ("Fit", 50, 50), ("Cover", 20, 30),
    ("Fill", 256, 256), ("Fit", 0, 320), ("Fill", 33, 77), ("Fit", 333, 77), ("Cover", 0, 50), ("Fit", 1280, 0), ("Fill", 512, 512),
    ("Fit", 2048, 2048), ("Cover", 640, 360), ("Fill", 0, 45), ("Fit", 15, 15),
]  # fmt: skip
# Halves, which go to the even neighbour.
TIES = [
    ((100, 25), ("Fit", 50, 50)), ((1000, 45), ("Fit", 100, 0)), ((200, 15), ("Fit", 100, 0)),
    ((30, 1000), ("Cover", 0, 50)), ((2050, 1025), ("Cover", 205, 99)),
]  # fmt: skip
FOR_EXTREMES = [("Fill", 32, 32), ("Fill", 63, 31), ("Fit", 50, 50), ("Fit", 320, 0), ("Cover", 320, 320), ("Cover", 20, 30)]


def pairs():
    for number, source in enumerate(COMMON):
        for step in range(5):
            yield source, REQUESTS[(number * 5 + step) % len(REQUESTS)]
    yield from TIES
    for source in EXTREME:
        for request in FOR_EXTREMES:
            yield source, request


def size(source, mode, width, height):
    """What it gives, or what it asks of Pillow where Pillow refuses."""
    asked = []

    class Blank(Image.Image):
        def resize(self, size, *rest, **named):
            asked.append(size)
            return super().resize(size, *rest, **named)

    picture = Image.new("L", source)
    picture.__class__ = Blank
    try:
        return scale_and_crop(picture, (width, height), **OPTIONS[mode]).size
    except ValueError:
        return asked[-1]


def main():
    names = ", ".join(f"{name} {version(name)}" for name in ("easy-thumbnails", "Pillow"))
    rows = [f"    ({s}, {mode} {{ width: {w}, height: {h} }}, {size(s, mode, w, h)}),\n" for s, (mode, w, h) in pairs()]
    assert len(set(rows)) == 100, len(set(rows))
    Path(__file__).with_suffix(".rs").write_text(
        f"//! Sizes by {names}; `sizes_table.py` made this file.\n\n"
        "use super::super::Resize::{self, Cover, Fill, Fit};\n\n"
        "/// Source, request, result.\n"
        "pub type Row = ((u32, u32), Resize, (u32, u32));\n\n"
        f"pub const SIZES: [Row; {len(rows)}] = [\n{''.join(rows)}];\n"
    )


if __name__ == "__main__":
    main()
