"""The picture for measuring uploads."""

from pathlib import Path

from PIL import Image

PICTURE = Path(__file__).resolve().parent.parent / "demo/pictures/Landscape_6.jpg"


def photograph(path):
    """A JPEG of 12 megapixels with as much detail as a phone's photo, taken with the phone held sideways."""
    small = Image.open(PICTURE).convert("RGB")
    large = small.resize((3000, 4000), Image.Resampling.BICUBIC)
    grain = Image.effect_noise(large.size, 22).convert("RGB")
    picture = Image.blend(large, grain, 0.12).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(path, quality=94, exif=exif)
    return picture.size, path.stat().st_size
