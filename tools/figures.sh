#!/usr/bin/env bash
# Draws the README's figures with the default models, into docs/. Build first: tools/demo.sh, or cmake --build build.
#
#   tools/figures.sh [EMOENGINE]      EMOENGINE: build/bin/emoengine unless told
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
engine=$(realpath "${1:-build/bin/emoengine}")
photo=samples/astronaut.png
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p docs

"$engine" strengths --image "$photo" --audio samples -o docs/faces.jpg
"$engine" sweep --image "$photo" --au 1,4,5,12,15,20,26,45 --steps 5 --cell 96 -o docs/sweep.jpg
"$engine" aus --audio samples/surprised.flac --plot docs/curves.png
ffmpeg -v error -i "$photo" -vf crop=208:208:116:28,scale=160:160 "$work/portrait.png" # a GIF of all 512 px: 5 MB
"$engine" animate --image "$work/portrait.png" --audio samples/happy.flac --fps 12.5 -o docs/animation.gif
# The page after a newcomer's first click, from its test; needs the packages of tools/setup.sh --full.
newcomer=newcomer_gets_a_picture_with_one_click_within_a_minute
/usr/bin/python3 tests/page/page_test.py --program "$engine" "Desk.test_$newcomer"
ffmpeg -v error -y -i "out/page/1280-$newcomer.png" -q:v 4 docs/page.jpg
