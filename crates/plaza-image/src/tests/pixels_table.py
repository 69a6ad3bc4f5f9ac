#!/usr/bin/env python3
"""Write pixels_table.rs: the mean colours of what easy-thumbnails and Pillow make of tiled pictures.

    scripts/python bench python crates/plaza-image/src/tests/pixels_table.py
"""

from importlib.metadata import version
from pathlib import Path

from django.conf import settings

settings.configure(INSTALLED_APPS=["easy_thumbnails"])

from easy_thumbnails.processors import scale_and_crop  # noqa: E402
from PIL import Image  # noqa: E402

TILES = 7
OPTIONS = {
    "Fill": {"crop": True, "upscale": True},
    "Fit": {},
    "Cover": {"crop": "scale"},
}
SIZES = [(2048, 1365), (1365, 2048), (2000, 1330), (640, 360), (97, 61), (101, 400), (1, 900), (900, 2), (255, 257), (1333, 999)]
REQUESTS = [("Fit", 640, 0), ("Fit", 320, 0), ("Fill", 640, 360), ("Fill", 64, 64), ("Cover", 300, 200), ("Fill", 33, 77)]


def tile(column, row, channel):
    return 40 + (column * 7 + row * 13 + channel * 5) * 29 % 216


def tiles(width, height):
    picture = Image.new("RGB", (width, height))
    picture.putdata([
        tuple(tile(x * TILES // width, y * TILES // height, channel) for channel in range(3))
        for y in range(height) for x in range(width)
    ])
    return picture


def means(picture):
    width, height = picture.size
    block = lambda index, side: (index * side // 4, max((index + 1) * side // 4, index * side // 4 + 1))
    for index in range(16):
        (left, right), (top, bottom) = block(index % 4, width), block(index // 4, height)
        part = picture.crop((left, top, right, bottom))
        values = [part.getchannel(channel).histogram() for channel in range(3)]
        count = part.width * part.height
        yield [round(sum(value * number for value, number in enumerate(counted)) / count, 2) for counted in values]


def main():
    rows = []
    for width, height in SIZES:
        source = tiles(width, height)
        for mode, *asked in REQUESTS:
            try:
                made = scale_and_crop(source, asked, **OPTIONS[mode])
            except (ValueError, ZeroDivisionError):
                # It rounds a side to nothing.
                continue
            if 0 in made.size:
                continue
            values = ", ".join(f"[{', '.join(f'{value:.2f}' for value in colour)}]" for colour in means(made))
            rows.append(
                f"    (({width}, {height}), Resize::{mode} {{ width: {asked[0]}, height: {asked[1]} }}, "
                f"({made.width}, {made.height}), [{values}]),\n"
            )
    Path(__file__).with_suffix(".rs").write_text(
        "//! The mean colours of four by four blocks of what easy-thumbnails "
        f"{version('easy-thumbnails')} and Pillow {version('pillow')}\n"
        "//! make of tiled pictures. Written by `pixels_table.py`.\n\n"
        "use super::super::Resize;\n\n"
        "/// A picture, a request, the size that comes out, and its blocks.\n"
        "pub type Row = ((u32, u32), Resize, (u32, u32), [[f64; 3]; 16]);\n\n"
        "#[rustfmt::skip]\n"
        f"pub static MEANS: [Row; {len(rows)}] = [\n{''.join(rows)}];\n"
    )


main()
