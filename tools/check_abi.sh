#!/usr/bin/env bash
# Compares libemoengine.so with the ABI that was promised: engine/c_api/libemoengine.abi, a dump by libabigail.
#
#   tools/check_abi.sh [BUILD]            BUILD: a build folder [default: build]; fails when anything differs
#   tools/check_abi.sh --update [BUILD]   takes what is new into the dump; refuses when a function is gone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
  echo "check_abi: $*" >&2
  exit 1
}

update=0
if [[ ${1-} == --update ]]; then
  update=1
  shift
fi
(($# <= 1)) || die "cannot use '$*'; usage: tools/check_abi.sh [--update] [BUILD]"
library=$(echo "${1-build}"/lib*/libemoengine.so.0)
dump=engine/c_api/libemoengine.abi
[[ -e $library ]] || die "$library is not there; build it first"

# Only what the public headers show is the ABI. No paths or lines: they change without it.
options=(--exported-interfaces-only --headers-dir include --drop-private-types --no-elf-needed)
new=$(mktemp) errors=$(mktemp)
trap 'rm -f "$new" "$errors"' EXIT
abidw "${options[@]}" --no-corpus-path --no-parameter-names --no-comp-dir-path --no-show-locs --out-file "$new" "$library"

# Of abidiff's exit status, 4 says that something differs, 8 that it breaks programs, 1 and 2 that it could not compare.
status=0
[[ ! -e $dump ]] || abidiff "$dump" "$new" 2>"$errors" || status=$?
if ((status & 3)) || [[ -s $errors ]]; then  # a dump that cannot be parsed is no difference to abidiff
  cat "$errors" >&2
  die "abidiff could not compare $dump with $library"
fi
if ((update)); then
  ((status & 8)) && die "a program that runs today misses what is gone; that needs libemoengine.so.1, see docs/abi.md"
  cp "$new" "$dump"
  chmod 644 "$dump"
  echo "check_abi: $dump says what $library has"
elif ((status)); then
  die "the ABI differs as said above; take the change back, or accept it with tools/check_abi.sh --update"
else
  echo "check_abi: $library keeps what $dump promises"
fi
