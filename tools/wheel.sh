#!/usr/bin/env bash
# Builds a source distribution of the Python package, and from that a wheel that carries its libraries, and looks into it:
# out/wheel/emoengine-*.whl.
#
#   tools/wheel.sh
#
# The wheel runs on Linux with this machine's glibc or a newer one. Only what the list below names is carried along.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Libraries that may be carried, and their licences; none under the GPL. libgomp is ours, of python/one_thread.cc.
allowed=(
  libdnnl:Apache-2.0 libOpenCL:BSD-2-Clause libkissfft-float:BSD-3-Clause libtbb:Apache-2.0 libgomp:Apache-2.0
  libsndfile:LGPL-2.1+ libFLAC:BSD-3-Clause libogg:BSD-3-Clause libvorbis:BSD-3-Clause libvorbisenc:BSD-3-Clause
  libopus:BSD-3-Clause libmpg123:LGPL-2.1 libmp3lame:LGPL-2+ libsoxr:LGPL-2.1+ liblcms2:MIT libnettle:LGPL-3+
)
readonly most_bytes=$((60 * 1000 * 1000))

die() {
  echo "wheel: $*" >&2
  exit 1
}

readonly python=$PWD/out/python/build/bin/python build=$PWD/build-python
[[ -x $python ]] || /usr/bin/python3 -m venv out/python/build
"$python" -m pip install --quiet --disable-pip-version-check --requirement python/requirements.txt

rm -rf out/wheel
mkdir -p out/wheel/source
readonly settings="{'build-dir': '$build', 'cmake.define.EMO_WERROR': 'ON', 'cmake.define.EMO_CUDA': '${EMO_CUDA-AUTO}'}"
"$python" -c 'from scikit_build_core.build import build_sdist; build_sdist("out/wheel")' >out/wheel/sdist.log
tar --extract --touch --file out/wheel/emoengine-*.tar.gz --directory out/wheel/source --strip-components 1
# c++, as CMake calls it: else ccache takes Python's g++ for another compiler.
(cd out/wheel/source && CXX=${CXX-c++} CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL-$(nproc)} \
  "$python" -c "from scikit_build_core.build import build_wheel; build_wheel('../plain', $settings)")

# auditwheel takes the first libgomp.so.1 that it finds.
PATH=${python%/*}:$PATH LD_LIBRARY_PATH=$build/one_thread \
  auditwheel repair --exclude 'libcuda.so*' --wheel-dir out/wheel out/wheel/plain/*.whl 2>out/wheel/auditwheel.log ||
  die "auditwheel: $(<out/wheel/auditwheel.log)"
wheel=$(echo out/wheel/*.whl)

bytes=$(stat -c %s "$wheel")
((bytes <= most_bytes)) || die "$wheel has $bytes bytes; at most $most_bytes are taken"
"$python" -m zipfile -e "$wheel" out/wheel/content
for library in out/wheel/content/emoengine.libs/*; do
  name=$(basename "$library")
  name=${name%-*}  # without auditwheel's sum
  [[ " ${allowed[*]} " == *" $name:"* ]] || die "$wheel carries $name, which is not on the list of tools/wheel.sh"
done
cmp -s <(nm -D --defined-only out/wheel/content/emoengine.libs/libgomp-*) <(nm -D --defined-only "$build"/one_thread/libgomp.so.1) ||
  die "$wheel carries GCC's libgomp, not python/one_thread.cc"
needed=$(find out/wheel/content -name '*.so*' -type f -exec readelf -d {} + | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u)
for library in $needed; do
  case $library in
    *-????????.so* | libemoengine.so.0) ;;                                                        # carried
    libc.so.6 | libm.so.6 | libmvec.so.1 | ld-linux-x86-64.so.2 | libstdc++.so.6 | libgcc_s.so.1 | libz.so.1) ;;  # manylinux promises them
    *) die "$wheel needs $library of the machine" ;;
  esac
done
echo "wheel: $wheel, $((bytes / 1000000)) MB"
