#!/bin/sh
# Makes the JPEGs of this folder and, beside each, the pixels that libjpeg-turbo reads in it (2.1.5 made these).
# Needs: apt-get install libjpeg-turbo-progs python3
set -eu
cd "$(dirname "$0")"
picture=$(mktemp)
trap 'rm -f "$picture"' EXIT

# 21 × 19: no multiple of a block, with slow ramps and one hard edge between two colours.
python3 - >"$picture" <<'P'
import sys
colours = bytearray()
for y in range(19):
    for x in range(21):
        colours += bytes((220, 40, 160) if x + y < 12 else (12 * x, 13 * y, 255 - 6 * (x + y)))
sys.stdout.buffer.write(b"P6 21 19 255\n" + colours)
P

make() {
    name=$1
    shift
    cjpeg -quality 90 "$@" "$picture" >"$name.jpg"
    djpeg "$name.jpg" >"$name.ppm"
}

make 444 -sample 1x1
make 422 -sample 2x1
make 440 -sample 1x2
make 420 -sample 2x2
make 411 -sample 4x1
make progressive-444 -sample 1x1 -progressive
make progressive-420 -sample 2x2 -progressive
make restart-420 -sample 2x2 -restart 1B
make restart-422 -sample 2x1 -restart 1
make optimised -optimize
make grey -grayscale
make grey-progressive -grayscale -progressive
make rgb -rgb -sample 1x1
make arithmetic -sample 2x2 -arithmetic
make arithmetic-progressive -sample 2x1 -arithmetic -progressive
make mixed -sample 2x2,1x2,1x1

# A scan for each component, as the first digital cameras wrote them.
scans=$(mktemp)
printf '0;\n1;\n2;\n' >"$scans"
make scans-444 -sample 1x1 -scans "$scans"
make scans-422 -sample 2x1 -scans "$scans"
make scans-440 -sample 1x2 -scans "$scans"
make scans-420 -sample 2x2 -scans "$scans"
make scans-420-restart -sample 2x2 -scans "$scans" -restart 2B
rm "$scans"

# Without Adobe's segment, only the components' names (R, G, B) tell that the colours are not transformed.
python3 - <<'P'
marked = open("rgb.jpg", "rb").read()
at = marked.index(b"\xff\xee")
open("rgb-unmarked.jpg", "wb").write(marked[:at] + marked[at + 16 :])
P
djpeg rgb-unmarked.jpg >rgb-unmarked.ppm
