#!/usr/bin/env bash
# Collects in carry/ what tools/gpu_check.sh cannot get on a machine without network and without Debian's packages:
# GoogleTest, Google Benchmark, nlohmann/json and CLI11, as source. Run it on Debian 12, then take the whole tree along.
#
#   tools/gpu_pack.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
  echo "gpu_pack: $*" >&2
  exit 1
}

(($# == 0)) || die "cannot use '$*'; usage: tools/gpu_pack.sh"
headers_and_source=(googletest nlohmann-json3-dev libcli11-dev)
for package in "${headers_and_source[@]}"; do
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
    die "$package is not installed; run tools/setup.sh first"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"  # apt reads it as a user of its own

# Debian's benchmark package holds a shared library alone, so its source: from where the machine has its packages.
mkdir -p "$work"/lists/partial
sed 's/^Types:.*/Types: deb-src/; s/^deb /deb-src /' /etc/apt/sources.list.d/debian.sources >"$work/debian.sources"
apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/debian.sources" -o Dir::Etc::SourceParts=/dev/null
  -o "Dir::State::Lists=$work/lists" -o APT::Sandbox::User=root -o Acquire::Retries=3)
"${apt[@]}" update || die "apt-get update failed; its words are above"
(cd "$work" && "${apt[@]}" source --download-only benchmark) || die "apt-get source benchmark failed; its words are above"

mkdir -p "$work/carry/benchmark"
tar -xf "$work"/benchmark_*.orig.tar.gz -C "$work/carry/benchmark" --strip-components=1 --exclude='*/docs' --exclude='*/test'
dpkg -L "${headers_and_source[@]}" | sed -nE 's,^/(usr/(src/googletest|include|share/cmake)/),\1,p' |
  tar -C / --no-recursion --files-from=- -c | tar -x -C "$work/carry"
git describe --always --dirty >"$work/carry/commit"

rm -rf carry
mv "$work/carry" carry
echo "gpu_pack: carry/ has $(du -sh carry | cut -f1): GoogleTest, Google Benchmark, nlohmann/json, CLI11; commit $(<carry/commit)"
