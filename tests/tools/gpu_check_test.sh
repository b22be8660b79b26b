#!/usr/bin/env bash
# tools/gpu_check.sh and gpu_pack.sh without a GPU and a network: in a copy of their own, with programs in place of nvidia-smi,
# the tests and the benchmarks. With the folder of the tests that play a GPU, the smoke stage runs on these.
set -euo pipefail
simt=${1-}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
mkdir -p "$here"/{tools,bench,stubs,tests/gpu,build-gpu/bin}
cp "$root"/tools/gpu_{check,pack}.sh "$here/tools"
cp "$root"/bench/{gpu_report,table}.py "$here/bench"
cp "$root"/tests/gpu/run_suites.py "$here/tests/gpu"
cd "$here"
export PATH=$here/stubs:$PATH

# program NAME: stdin becomes an executable script.
program() {
  { echo '#!/usr/bin/env bash' && cat; } >"$1"
  chmod +x "$1"
}

# exits CODE COMMAND...: runs it and keeps its words in output.
exits() {
  local want=$1 got=0
  shift
  output=$("$@" 2>&1) || got=$?
  [[ $got == "$want" ]] || fail "$*: exit code $got, want $want"
}
check() { exits "$1" tools/gpu_check.sh "${@:2}"; }

fail() {
  printf '%s\n--- output:\n%s\n' "$*" "${output-}" >&2
  exit 1
}

says() { [[ $output == *"$1"* ]] || fail "missing: $1"; }

# holds EXPRESSION: of Python, about the results r.
holds() {
  python3 -c "import json, sys; r = json.load(open('out/gpu/results.json')); sys.exit(not ($1))" ||
    fail "does not hold: $1; results.json: $(<out/gpu/results.json)"
}

program stubs/nvidia-smi <<'END'
echo "A GPU, 580.1, 143771 MiB, 345 MHz, 1980 MHz, 3201 MHz, 700.00 W, 9.0"
END
program stubs/compute-sanitizer <<'END'
echo "$*"
END
program stubs/timeout <<'END'
[[ $* != *"--stage speech "* ]] || exit 124
shift 2
exec "$@"
END
# report_tests COUNT OPTION...: writes GoogleTest's report where the options ask for one.
program stubs/report_tests <<'END'
for option in "${@:2}"; do
  [[ $option != --gtest_output=json:* ]] || echo "{\"tests\": $1, \"testsuites\": []}" >"${option#--gtest_output=json:}"
done
END
# Two suites that pass, one whose kernel hangs and one whose driver gives up.
program build-gpu/bin/gpu_test <<'END'
case $* in
  *--gtest_list_tests*) printf 'Copy.\n  Works\nNorm/Sizes.  # TypeParam = float\n  Odd\n' && cat suites 2>/dev/null ;;
  *Hangs.*) echo '[ RUN      ] Hangs.Here' && exec sleep 60 ;;
  *Dies.*) printf '[ RUN      ] Dies.First\n[       OK ] Dies.First (1 ms)\n[ RUN      ] Dies.Second\n' && kill -SEGV $$ ;;
esac
report_tests 44 "$@"
END
program build-gpu/bin/bench_generator <<'END'
for option; do
  [[ $option != --benchmark_out=* ]] || printf '{"context": {}, "benchmarks": [\n{"name": "BM_Generator/N:1"},\n{"na' >"${option#*=}"
done
exit 1
END

built=$(grep '"targets": \["gpu_test"' "$root/CMakePresets.json")
mapfile -t programs < <(grep -oE '(gpu_test|tune_conv|bench_[a-z]+)\b' tools/gpu_check.sh | sort -u)
for name in "${programs[@]}"; do
  [[ $built == *"\"$name\""* ]] || fail "gpu_check.sh runs $name, which the preset gpu does not build"
done

check 2 nothing
says "gpu_check: there is no stage 'nothing'; usage: tools/gpu_check.sh [-q] [-o FOLDER] [-t SECONDS] [STAGE...]; stages: machine build smoke generator"
check 2 -x
says "gpu_check: cannot use '-x'; usage:"
check 2 -t soon
says "gpu_check: -t 'soon' is no number of seconds; usage:"

# All green but for what was cut off and what is not built; neither keeps the next from running.
check 0 machine tests generator speech convs sanitizers
says "=== tests (2 of 6; at most 90 s;"
[[ $output != *"command not found"* ]] || fail "a stage went on without its program"
says "gpu_check: build-gpu/bin/bench_conv is not there; run tools/gpu_check.sh build first"
says "tests       88 run, 0 failed"
holds "[(s['name'], s['result']) for s in r['stages']] == [('machine', 'passed'), ('tests', 'passed'), ('generator', 'failed'),
  ('speech', 'out of time'), ('convs', 'failed'), ('sanitizers', 'passed')]"
holds "r['machine']['gpu']['driver_version'] == '580.1' and r['machine']['gpu']['clocks.max.sm'] == '1980 MHz'"
holds "r['generator']['benchmarks'] == [{'name': 'BM_Generator/N:1'}]"
holds "r['sanitizers'] == dict.fromkeys(['memcheck', 'racecheck', 'initcheck', 'synccheck'], 'passed')"
grep -q -- "--tool racecheck --error-exitcode 1 .*build-gpu/bin/gpu_test" build-gpu/check/racecheck.log || fail "racecheck ran otherwise"
grep -q "bench_conv is not there" out/gpu/log.txt || fail "log.txt lacks what the stages said"

# A kernel that hangs or faults fails its own suite, and is named; the others run.
printf 'Hangs.\n  Here\nDies.\n  First\n  Second\n' >suites
sed -i 's/^suite_limit_s=.*/suite_limit_s=1/' tools/gpu_check.sh
check 1 tests
says "Norm/Sizes                               passed"
says "in Hangs.Here"
says "tests       88 run, 2 failed: Hangs.Here (hung), Dies.Second (crashed)"
rm suites

# One deadline: who comes late gets what is left, and ten seconds at least.
check 0 -t 80 machine tests
[[ $output =~ "=== tests (2 of 2; at most "[1-8][0-9]" s;" ]] || fail "tests had a limit of its own"
check 0 -t 5 machine tests
says "=== tests (2 of 2): left out, "
holds "r['stages'][-1]['result'] == 'left out'"
check 1 -q
says "=== generator (4 of 6; at most 60 s;"

# Without wgmma, where its lines of the smoke do not pass.
program build-gpu/bin/gpu_test <<'END'
[[ $* != *Conv2dWgmma* ]] || exit 1
report_tests 1 "$@"
END
program build-gpu/bin/bench_lstm <<'END'
echo "called with $*"
END
check 1 smoke lstm
says "gpu_check: wgmma does not work here; what follows goes without it"
says "--no-wgmma"
says "smoke       13 tried, 2 not passed: wgmma (crashed), wgmma in clusters (crashed)"

if [[ -n $simt ]]; then
  program build-gpu/bin/gpu_test <<END
for test in simt_cuda_test simt_generator_test simt_image_kernels_test simt_speech_test; do
  if "$simt/\$test" --gtest_list_tests "\$1" | grep -q '^  '; then exec "$simt/\$test" "\$@"; fi
done
echo "no test has \$1" >&2
exit 3
END
  sed -i 's/smoke_limit_s=.*/smoke_limit_s=100/; s/\[smoke\]=40/[smoke]=400/' tools/gpu_check.sh
  check 0 smoke lstm
  says "13 tried, 0 not passed"
  [[ $output != *--no-wgmma* ]] || fail "wgmma was given up"
fi

program stubs/ncu <<'END'
echo "$*" >>ncu.log
[[ $* != *--csv* ]] || printf '%s\n' '==PROF== Connected' BM_GeneratorOnDevice '"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"' \
  '"0","emo::conv<1>(float *)","gpu__time_duration.sum","nsecond","1,500"' '"1","emo::norm()","gpu__time_duration.sum","usecond","2.25"'
END
check 0 durations
holds "r['durations']['durations_64'] == {'sum_us': 3.75, 'kernels': [['emo::conv<1>', 1.5], ['emo::norm', 2.25]]}"
rm ncu.log
check 0 profile
[[ $(grep -c -- "--kernel-name regex:emo:: .*--export out/gpu/profile_.*/N:" ncu.log) == 2 ]] || fail "ncu ran otherwise: $(<ncu.log)"
[[ -f out/gpu/profile_1.txt && -f out/gpu/profile_64.txt ]] || fail "profile left nothing to read"

# The exit code tells of tests and sanitizers.
program stubs/compute-sanitizer <<'END'
[[ $* != *"--tool initcheck"* ]]
END
check 1 sanitizers
says "--- initcheck: failed"
holds "r['sanitizers']['initcheck'] == 'failed' and r['sanitizers']['memcheck'] == 'passed' and r['machine']"
program build-gpu/bin/gpu_test <<'END'
exit 1
END
check 1 tests

rm -r out
check 1  # every stage
holds "len(r['stages']) == 12 and all(stage['limit_s'] > 0 for stage in r['stages'])"
says "gpu_check: carry/ is not there; run tools/gpu_pack.sh on Debian 12 and take it along with the tree"

program stubs/nvidia-smi <<'END'
exit 9
END
check 0 -o elsewhere machine
says "gpu_report: nvidia-smi gives no answer; a machine with an NVIDIA GPU and its driver is needed"
[[ -f elsewhere/results.json ]] || fail "-o was not obeyed"
program stubs/dpkg-query <<'END'
[[ $* != *googletest* ]] || echo installed
END
exits 1 tools/gpu_pack.sh
says "gpu_pack: nlohmann-json3-dev is not installed; run tools/setup.sh first"
exits 1 tools/gpu_pack.sh all
says "gpu_pack: cannot use 'all'; usage: tools/gpu_pack.sh"
echo "gpu_check_test: passed"
