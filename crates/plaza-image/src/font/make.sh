#!/bin/sh
# Makes plaza-initials.ttf: DejaVu Sans Bold (Debian's fonts-dejavu-core), cut down to the letters and digits of Latin, Greek and
# Cyrillic, without hinting and layout tables. Renamed, as the licence asks of a changed font; LICENSE lies beside it.
# Needs: apt-get install fonts-dejavu-core; pip install fonttools
set -eu
cd "$(dirname "$0")"
pyftsubset /usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf \
    --unicodes='U+30-39,U+41-5A,U+61-7A,U+AA,U+B5,U+BA,U+C0-D6,U+D8-F6,U+F8-24F,U+370-373,U+376-377,U+37B-37D,U+37F,U+386,U+388-38A,U+38C,U+38E-3A1,U+3A3-3F5,U+3F7-481,U+48A-52F,U+1E00-1EFF' \
    --no-hinting --desubroutinize --layout-features='' --drop-tables+=kern,FFTM,GPOS,GSUB,GDEF \
    --name-IDs='*' --notdef-outline --output-file=plaza-initials.ttf
python3 - <<'P'
from fontTools.ttLib import TTFont
font = TTFont("plaza-initials.ttf")
for record in font["name"].names:
    name = {1: "Plaza Initials", 3: "Plaza Initials", 4: "Plaza Initials Bold", 6: "PlazaInitials-Bold", 16: "Plaza Initials"}.get(record.nameID)
    if name:
        record.string = name
font.save("plaza-initials.ttf")
P
