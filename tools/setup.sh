#!/usr/bin/env bash
# Installs what is missing of the Debian 12 packages that emoengine is built and tested with; the only list of them.
#
#   tools/setup.sh [--full]     --full: also what `tools/test.sh --full` needs
#
# Asks for root (or sudo) only when something is missing.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  libdnnl-dev
  libkissfft-dev nlohmann-json3-dev libcli11-dev nettle-dev
  libopencv-dev
  libjpeg-dev libpng-dev
  libdlib-dev libblas-dev liblapack-dev              # dlib's CMake file links the last three, its package does not say so
  libheif-dev libjxl-dev                             # HEIC, AVIF, JPEG XL
  libsndfile1-dev libsoxr-dev liblcms2-dev zlib1g-dev
  libboost-dev                                       # Asio and Beast: `serve`
  libboost-context-dev libopenblas-dev               # tests/simt
  libavformat-dev libavcodec-dev libavfilter-dev libavutil-dev  # FFmpeg
  fonts-dejavu-core gnuplot-nox                      # captions, plots
  libgtest-dev libgmock-dev libbenchmark-dev
  python3-dev libtbb-dev                             # the Python package
  ffmpeg                                             # reads back the videos that the tests write
)
full_packages=(
  clang-16 libclang-rt-16-dev                        # libFuzzer
  abigail-tools                                      # tools/check_abi.sh
  clang-format-14                                    # other versions format a little differently
  python3-venv                                       # PyPI: nvcc of tools/cuda_compiler.sh, tools/wheel.sh, tests/serve
  iproute2                                           # machines of python/tests/cluster
  chromium chromium-driver python3-selenium nginx-light  # tests/page; tests/serve: nginx
  python3-torch python3-torchaudio python3-scipy python3-pil python3-soundfile espeak-ng  # tests/training
)

die() {
  echo "setup: $*" >&2
  exit 1
}

case "${1-}" in
  "") ;;
  --full) packages+=("${full_packages[@]}") ;;
  *) die "cannot use '$1'; usage: tools/setup.sh [--full]" ;;
esac

command -v dpkg-query >/dev/null ||
  die "this is no Debian system; install the equivalents of these yourself, then use --no-setup: ${packages[*]}"

missing=()
for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "${ID-} ${VERSION_ID-} ${VERSION_CODENAME-}")
[[ $release == *bookworm* ]] ||
  die "made for Debian 12 (bookworm), this is '$release'; install these yourself, then use --no-setup: ${missing[*]}"

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || die "neither root nor sudo here; let an administrator install: ${missing[*]}"
  as_root=(sudo)
fi

# Quiet unless it fails; waits for another apt to finish, tries again when the network stumbles.
apt() {
  local options=(-y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120) attempt output
  for attempt in 1 2 3; do
    if output=$("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" "$@" 2>&1 </dev/null); then
      return
    fi
    ((attempt == 3)) || sleep 5
  done
  tail -n 20 <<<"$output" >&2
  die "apt-get $1 failed three times; its last words are above"
}

echo "setup: installing ${missing[*]} and what they need (some minutes)"
apt update
apt install --no-install-recommends "${missing[@]}"
echo "setup: done"
