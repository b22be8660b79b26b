#!/usr/bin/env bash
# Draws the golden pictures, by fixed tiny models with random weights (checkpoints/), so that better default models change
# nothing. tests/tools/golden_pictures_test.cc draws them again by this script and compares.
#
#   tests/golden/make_pictures.sh EMOENGINE [FOLDER]      FOLDER: tests/golden/pictures unless told
set -euo pipefail
engine=$(realpath "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(realpath "${2:-$here/pictures}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$engine" convert "$here/checkpoints/albertpumarola.pth" -o generator.safetensors >convert.log
"$engine" convert "$here/checkpoints/speech.pth" --layout speech --config "$here/checkpoints/speech.json" \
  -o speech.safetensors >convert.log
ffmpeg -v error -i "$here/../../samples/astronaut.png" -vf crop=168:168:136:32 face.png
cp "$here/../../samples/angry.flac" voice.flac

# fp32 everywhere: a processor with AMX would take bf16. The detector alone finds the face: the reader is a default model.
drawn() { "$engine" "$@" --generator generator.safetensors --reader none --precision fp32 --quiet; }
drawn run -i face.png -a voice.flac --speech speech.safetensors --emotion surprise -o "$out/run.png"
drawn sweep -i face.png --au 12,26 --steps 3 --cell 64 -o "$out/sweep.png"
drawn strengths -i face.png --emotion anger,happiness --steps 2 --cell 64 -o "$out/strengths.png"
drawn animate -i face.png -a voice.flac --speech speech.safetensors --fps 5 -o frames
cp frames/000004.png "$out/animate.png"
"$engine" aus -a voice.flac --speech speech.safetensors --quiet --plot "$out/plot.png"
