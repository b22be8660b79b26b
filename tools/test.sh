#!/usr/bin/env bash
# Installs what is missing, builds and tests.
#
#   tools/test.sh                the quick run: setup, build, tests
#   tools/test.sh --full         every stage below; what .ci/run calls; half an hour to an hour on 2 cores
#   tools/test.sh --stage NAME   one stage alone, without a time limit
#   tools/test.sh --no-setup ... do not look for packages
#
# A stage that fails does not keep the later ones from running; the exit code is 0 when all passed. Each stage's output is
# kept in out/test/NAME.log.
# shellcheck disable=SC2317  # stages are called by name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# All stages together, in seconds: 85 minutes. One limit for all, not one each: on a slow day every stage takes twice as long,
# and what one leaves another may need. A test that hangs ends by its own limit.
readonly limit_s=5100

# setup, setup_full  packages; nothing to do on the second run
# build     everything, optimised, warnings are errors
# tests     the whole suite
# recipes   the training recipes, on Debian's PyTorch; lips against espeak-ng's phonemes
# page      the page of `emoengine serve` in a real browser; its screenshots are in out/page
# python    the wheel, made of the source distribution, in fresh environments: its tests, types, examples
# ray       batches over Ray, with the Python package's wheel
# install   an installed copy runs; a C and a C++ program (docs/example/) use it and draw what the command line draws
# serve     the server: clients from PyPI, hostile input, overload, ending, a soak of a minute
# packages  Debian packages: what is in them, what they need
# abi       libemoengine.so.0 keeps what it promised
# format    clang-format 14 has nothing to change
# layering  includes point downward only
# sass      kernels as nvcc compiles them: no spills, tensor cores where they belong; and how long they should take
# core      configures without media; program and library start without its plug-ins and say what to install
# asan      the whole suite, and the server with its clients, under AddressSanitizer and UndefinedBehaviorSanitizer
# tsan      the engine's threads under ThreadSanitizer
# fuzz      builds the fuzzers with clang 16 and runs each for 20 s
quick=(setup build tests)
full=(setup_full build tests page serve python ray recipes install packages abi format layering sass core asan tsan fuzz)

sources() { find include base weights kernels engine tools bench tests -name '*.h' -o -name '*.cc' -o -name '*.cu' -o -name '*.cuh'; }

# build_preset PRESET [cmake options]
build_preset() {
  cmake --preset "$@"
  cmake --build --preset "$1" --parallel "$(nproc)"
}

stage_setup() { tools/setup.sh; }
stage_setup_full() { tools/setup.sh --full; }
# One of the release preset's GPU architectures, in a sixth of the time of all; the sass stage compiles for an old one too.
stage_build() { build_preset release "-DEMO_CUDA_ARCHITECTURES=90a"; }
stage_tests() { ctest --preset release --parallel "$(nproc)"; }

stage_recipes() {
  mkdir -p out/test
  printf '%s\n' generator speech reader | OMP_NUM_THREADS=1 xargs -P 2 -I '{}' \
    /usr/bin/python3 -W ignore -m unittest discover -s tests/training -p 'test_{}.py' 2>&1 | tee out/test/unittest.txt
  ! grep skipped= out/test/unittest.txt  # setup_full has installed what the tests ask for
  /usr/bin/python3 tests/tools/lips_test.py
}

stage_ray() {
  EMO_CUDA=OFF tools/wheel.sh
  rm -rf out/ray
  /usr/bin/python3 -m venv out/ray
  out/ray/bin/pip install --quiet --disable-pip-version-check "$(echo out/wheel/emoengine-*.whl)[ray]" \
    --requirement python/tests/cluster/requirements.txt
  out/ray/bin/python -m pytest -q -W ignore --durations 5 python/tests/cluster
}

stage_page() { /usr/bin/python3 -W ignore tests/page/page_test.py; }

stage_install() {
  local work=$PWD/out/test/install prefix=$PWD/out/test/install/prefix inputs=(samples/astronaut.png samples/happy.flac) out
  rm -rf "$work"
  cmake --install build --prefix "$prefix" >/dev/null
  "$prefix/bin/emoengine" doctor | tee "$work/doctor.txt"
  grep -q "^weights *$prefix/share/emoengine/weights/generator" "$work/doctor.txt"

  # In C by find_package() in a project of C alone, in C++ by pkg-config.
  cmake -S docs/example -B "$work/c" -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
  cmake --build "$work/c"
  mkdir "$work/cc"
  # shellcheck disable=SC2046
  g++ -std=c++20 -Wall -Wextra -Werror docs/example/example.cc -o "$work/cc/example" -Wl,-rpath,"$prefix/lib" \
    $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs emoengine)
  "$prefix/bin/emoengine" run --image "${inputs[0]}" --audio "${inputs[1]}" -o "$work/want.png"
  for out in c cc; do
    "$work/$out/example" "${inputs[@]}" "$work/$out.png"
    cmp "$work/$out.png" "$work/want.png"
  done

  [[ $(<README.md) == *"$(<docs/example/example.cc)"* ]] || { echo "install: README.md shows another example.cc"; return 1; }

  # Every header alone, as the oldest languages that are promised.
  for out in emoengine.h emoengine_media.h; do
    gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c "$prefix/include/$out"
  done
  g++ -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ "$prefix/include/emoengine.hpp"
}

# serve_tests PROGRAM HOSTILE_REQUESTS [NAME...]: all tests of the server, or the named.
serve_tests() {
  local venv=$PWD/out/serve/venv
  [[ -d $venv ]] || python3 -m venv "$venv"
  "$venv/bin/pip" --quiet --disable-pip-version-check --retries 5 install -r tests/serve/requirements.txt
  EMO_PROGRAM=$PWD/$1 EMO_HOSTILE_REQUESTS=$2 "$venv/bin/python" tests/serve/serve_test.py "${@:3}"
}
stage_serve() { serve_tests build/bin/emoengine 2000; }

stage_packages() {
  local packages=$PWD/out/test/packages package
  rm -rf "$packages"
  (cd build && cpack -G DEB -B "$packages" >/dev/null)
  for package in libemoengine0 libemoengine-media0 libemoengine-dev emoengine-models emoengine; do
    dpkg-deb --field "$packages/$package"_*.deb Package Version Architecture Depends
  done | tee "$packages/fields.txt"
  ! dpkg-deb --field "$packages"/libemoengine0_*.deb Depends | grep -E 'opencv|heif|jxl|libav|dlib|sndfile|soxr|lcms'
  dpkg-deb --contents "$packages"/emoengine-models_*.deb | grep ' ./usr/share/doc/emoengine-models/copyright$'
}

# Pinned as far as the stubs depend on it; the newest of everything else, and the oldest NumPy with Debian's PyTorch.
stage_python() {
  local venv=out/python/new old=out/python/old stubs=$PWD/out/python/stubs module
  EMO_CUDA=OFF tools/wheel.sh
  rm -rf "$venv" "$old"
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check out/wheel/*.whl --requirement python/tests/requirements.txt
  "$venv/bin/python" -m pytest -q --ignore python/tests/cluster
  "$venv/bin/mypy"
  mkdir -p "$stubs"
  for module in core command; do
    "$venv/bin/python" -m nanobind.stubgen --quiet --module "emoengine._lib.$module" --output-file "$stubs/$module.pyi"
    diff "python/emoengine/_lib/$module.pyi" "$stubs/$module.pyi"
  done
  /usr/bin/python3 -m venv --system-site-packages "$old"
  "$old/bin/pip" install --quiet --disable-pip-version-check out/wheel/*.whl 'numpy==1.26.*' pytest
  "$old/bin/python" -m pytest -q python/tests/test_engine.py
}

stage_abi() { tools/check_abi.sh; }

stage_format() { sources | xargs clang-format-14 --dry-run --Werror; }

# forbid PATTERN FOLDER... [OPTION]: no source there may include what matches.
forbid() {
  local pattern=$1 status=0
  shift
  grep -rnE --include='*.h' --include='*.cc' --include='*.cu' --include='*.cuh' "#include.*$pattern" "$@" || status=$?
  ((status == 1)) && return  # grep: nothing matched; 2 is an error of its own
  echo "layering: the includes above may not stand there; see CONTRIBUTING.md" >&2
  return 1
}

stage_layering() {
  forbid '(weights|kernels|engine|tools)/' base
  forbid '(kernels|engine|tools)/' weights
  forbid '(weights|engine|tools)/' kernels
  forbid 'tools/' engine
  forbid '(opencv2/|libheif/|jxl/|jpeglib|<png|dlib/|sndfile|soxr|lcms|libav|libsw)' base weights kernels engine tools \
    --exclude-dir=media
  forbid zlib base weights kernels engine tools --exclude-dir=media --exclude-dir=serve  # HTTP bodies come as gzip
  echo "layering: every include points downward"
}

stage_sass() {
  local bin
  bin=$(tools/cuda_compiler.sh)
  PATH=$bin:$PATH python3 tests/tools/check_sass_test.py
  PATH=$bin:$PATH tools/check_sass.py --every-rule --keep out/sass kernels/*.cu
  python3 tests/tools/roofline_test.py
  [[ -d build ]] || cmake --preset release "-DEMO_CUDA_ARCHITECTURES=80;90a"
  cmake --build --preset release --parallel "$(nproc)" --target simt_list_launches
  build/bin/simt_list_launches 1 8 64 >out/launches.jsonl
  PATH=$bin:$PATH tools/roofline.py --launches out/launches.jsonl --compare kernels/roofline.txt out/sass/*.90a.cubin
}

# No source asks whether there is media, so the objects of the build serve.
stage_core() {
  local prefix=$PWD/out/test/core file component
  cmake --preset core
  rm -rf "$prefix"
  for component in library tool models; do cmake --install build --prefix "$prefix" --component $component >/dev/null; done
  for file in bin/emoengine lib/libemoengine.so.0; do
    if ldd "$prefix/$file" | grep -E 'opencv|heif|jxl|dlib|sndfile|soxr|lcms|libav|libsw'; then
      echo "core: $file links the media libraries above" >&2
      return 1
    fi
  done
  "$prefix/bin/emoengine" --version
  "$prefix/bin/emoengine" inspect "$prefix/share/emoengine/weights/speech.safetensors" >/dev/null
  ! "$prefix/bin/emoengine" mfcc --audio samples/happy.flac -o "$prefix/f.npy" 2>"$prefix/error" || return 1
  grep 'Install libemoengine-media0' "$prefix/error"
}

stage_asan() {
  build_preset asan
  ctest --preset asan --parallel "$(nproc)"
  # Without the soak: what is freed stays in AddressSanitizer's quarantine.
  ASAN_OPTIONS=intercept_tls_get_addr=0 serve_tests build-asan/bin/emoengine 500 Forms Hostile Keys Load Sessions Triton
}

stage_tsan() {
  # GCC 12's ThreadSanitizer finds no room for its shadow where the kernel scatters addresses widely.
  local run=()
  setarch --addr-no-randomize true 2>/dev/null && run=(setarch --addr-no-randomize)
  cmake --preset tsan
  "${run[@]}" cmake --build --preset tsan --parallel "$(nproc)"
  "${run[@]}" ctest --preset tsan --parallel "$(nproc)"
}

stage_fuzz() {
  build_preset fuzz
  ctest --preset fuzz --parallel "$(nproc)"
}

usage() {
  echo "test: cannot use '$*'; usage: tools/test.sh [--no-setup] [--full | --stage NAME]; stages: ${full[*]}" >&2
  exit 2
}

command -v ccache >/dev/null && export CMAKE_CXX_COMPILER_LAUNCHER=ccache

first=0
if [[ ${1-} == --no-setup ]]; then
  first=1
  shift
fi
case "$*" in
  "") stages=("${quick[@]:first}") ;;
  --full) stages=("${full[@]:first}") ;;
  "--stage "*)
    { (($# == 2)) && declare -F "stage_$2" >/dev/null; } || usage "$@"
    "stage_$2"
    exit ;;
  *) usage "$@" ;;
esac

mkdir -p out/test
summary=() failed=0
for stage in "${stages[@]}"; do
  started=$SECONDS status=0
  left_s=$((limit_s > started ? limit_s - started : 1))  # 0 would be no limit at all
  echo "=== $stage"
  timeout --kill-after=10 "$left_s" tools/test.sh --stage "$stage" </dev/null 2>&1 | tee "out/test/$stage.log" || status=$?
  case $status in
    0) result=passed ;;
    124 | 137) result="OUT OF TIME" ;;
    *) result="FAILED ($status)" ;;
  esac
  ((status == 0)) || failed=1
  counts=$(grep -E '^[0-9]+% tests passed' "out/test/$stage.log" || true)
  summary+=("$(printf '%-10s %4d s  %-12s %s' "$stage" $((SECONDS - started)) "$result" "$counts")")
done

echo
echo "=== summary ($SECONDS s)"
printf '%s\n' "${summary[@]}"
echo
sed -n '/% tests passed/,$p' out/test/tests.log  # ctest's closing lines for the whole suite
exit $failed
