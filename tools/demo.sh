#!/usr/bin/env bash
# The main job on the bundled samples: installs what is missing, builds, then puts the emotion of each clip on the portrait.
#
#   tools/demo.sh [--no-setup]     --no-setup: do not look for packages
#
# Leaves out/demo/STYLE.png, one a clip, and all of them beside the portrait in out/demo/faces.png; prints the emotion and the
# action units that each clip was read as.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1-}" in
  "") tools/setup.sh ;;
  --no-setup) ;;
  *) echo "demo: cannot use '$1'; usage: tools/demo.sh [--no-setup]" >&2; exit 2 ;;
esac

command -v ccache >/dev/null && export CMAKE_CXX_COMPILER_LAUNCHER=ccache
cmake --preset release
targets=(emoengine)
# The kernels take minutes to compile: only where a GPU can run them, and a toolkit was found.
if nvidia-smi >/dev/null 2>&1 && grep -q '^build emo_cuda: ' build/build.ninja; then targets+=(emo_cuda); fi
cmake --build --preset release --parallel "$(nproc)" --target "${targets[@]}"

echo
mkdir -p out/demo
for clip in samples/*.flac samples/*.wav; do
  [[ -e $clip ]] || continue  # a pattern that matched nothing
  style=$(basename "${clip%.*}")
  build/bin/emoengine run --image samples/astronaut.png --audio "$clip" -o "out/demo/$style.png"
done
build/bin/emoengine strengths --image samples/astronaut.png --audio samples --cell 240 -o out/demo/faces.png
echo
echo "Look at $PWD/out/demo/faces.png first, then at a picture for each clip beside it."
