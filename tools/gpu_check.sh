#!/usr/bin/env bash
# Builds, tests and measures emoengine on a machine with an NVIDIA GPU, a CUDA toolkit (12.5 or newer), CMake and PyTorch,
# without network and without Debian's packages: tools/gpu_pack.sh collects before, on another machine, what is missing there.
#
#   tools/gpu_check.sh [-q] [-o FOLDER] [-t SECONDS] [STAGE...]      no STAGE: all but the last two, in the order of `stages`
#
#   -q  the essentials in 4 minutes, the stages of `quick`      -t  for all stages together, 570 unless told
#
#   machine      driver, clocks, versions        convs       bench_conv: every convolution by itself
#   build        gpu_test, benchmarks, tuner     sanitizers  compute-sanitizer's four tools on small tests
#   smoke        a kernel of each kind, a second each; where wgmma fails, all later stages go without it
#   durations    ncu: the time of every kernel of a face and of 64, without gaps
#   tests        gpu_test on the device          peers       PyTorch, torch.compile, cuDNN on the same work
#   generator    bench_generator                 pipeline    bench_pipeline
#   speech       bench_speech                    profile     ncu, else nsys: FOLDER/profile_N.* (only when named)
#   lstm         bench_lstm                      tune        tune_conv: FOLDER/conv2d_measured.inc (only when named)
#
# A stage that fails or runs out of time does not keep the others from running; what one leaves over, later ones get, and none
# begins without ten seconds. FOLDER (default out/gpu) receives log.txt and results.json, whole after every stage; bench/table.py
# makes the README's table of it. The exit code is 0 when build, smoke, tests and sanitizers passed, as far as they were run.
# shellcheck disable=SC2317  # stages are called by name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What is wanted most comes first: the generator's times, so that little is lost when time runs out.
stages=(machine build smoke generator durations tests convs peers sanitizers speech lstm pipeline)
quick=(machine build smoke generator durations tests)
declare -A limit_s=([machine]=15 [build]=200 [smoke]=40 [tests]=90 [generator]=60 [durations]=40 [speech]=30
  [lstm]=15 [convs]=45 [sanitizers]=70 [peers]=150 [pipeline]=30 [profile]=120 [tune]=400)
suite_limit_s=10
smoke_limit_s=3
# What a device must do at least, from the plainest on, each in a process of its own.
smoke=("copy=CudaMemory.*" "images=Images.*" "cuBLAS and cuFFT=CudaLibraries.*" "norm=Math/InstanceNorm.OddSizes*/fp16"
  "first layer=Math/FirstLayer.*/fp16" "heads=Math/HeadsOf.OddSizes*/fp16" "mma=Math/Conv2d.OddSizes*/fp16"
  "mma in splits=Math/Conv2d.SameBytesUnderEveryPlan*/fp16" "wgmma=Math/Conv2dWgmma.MatchesPlainLoops/fp16"
  "wgmma in clusters=Math/Conv2dWgmma.SameBytesUnderEveryTile*/fp16" "LSTM in a block=LstmKernel.*WithOneBlock"
  "LSTM in clusters and grids=LstmKernel.*InAClusterAndInAGrid" "graphs=CudaGenerator.SameBytesAtAny*")
must_pass=(build smoke tests sanitizers)
build="build-gpu"
work=$build/check  # what each stage leaves: NAME.json

die() {
  echo "gpu_check: $*" >&2
  exit 1
}

usage() {
  echo "gpu_check: $*; usage: tools/gpu_check.sh [-q] [-o FOLDER] [-t SECONDS] [STAGE...]; stages: ${stages[*]} profile tune" >&2
  exit 2
}

# The toolkit's programs lie beside nvcc, which need not be on PATH.
command -v nvcc >/dev/null || PATH+=:/usr/local/cuda/bin

program() {
  [[ -x $build/bin/$1 ]] || die "$build/bin/$1 is not there; run tools/gpu_check.sh build first"
  echo "$build/bin/$1"
}

# result_of EXIT_CODE: of timeout, or of what it ran.
result_of() {
  case $1 in
    0) echo passed ;;
    124 | 137) echo "out of time" ;;
    *) echo failed ;;
  esac
}

stage_machine() {
  python3 bench/gpu_report.py machine >"$work/machine.json"
  cat "$work/machine.json"
}

# install_carried FOLDER [cmake options]
install_carried() {
  local from=carry/$1 to=$build/carried
  shift
  cmake "${generator[@]}" -S "$from" -B "$to-$(basename "$from")" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$PWD/$to" \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POLICY_VERSION_MINIMUM=3.5 --no-warn-unused-cli "$@"
  cmake --build "$to-$(basename "$from")" --parallel "$(nproc)" --target install >"$work/install.log" || {
    cat "$work/install.log"
    return 1
  }
}

stage_build() {
  [[ -d carry ]] || die "carry/ is not there; run tools/gpu_pack.sh on Debian 12 and take it along with the tree"
  local generator=(-G "Unix Makefiles") capability architecture=()
  command -v ninja >/dev/null && generator=(-G Ninja)
  if capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader --id=0) && [[ $capability != 9.0 ]]; then
    architecture=("-DEMO_CUDA_ARCHITECTURES=${capability/./}-real")  # the preset's is Hopper's
  fi
  install_carried usr/src/googletest
  install_carried benchmark -DBENCHMARK_ENABLE_TESTING=OFF -DBENCHMARK_ENABLE_WERROR=OFF -DBENCHMARK_INSTALL_DOCS=OFF
  cmake --preset gpu "${generator[@]}" "-DCMAKE_PREFIX_PATH=$PWD/$build/carried;$PWD/carry/usr" "${architecture[@]}"
  cmake --build --preset gpu --parallel "$(nproc)"
}

stage_smoke() {
  local test lines failed=0
  test=$(program gpu_test)
  rm -f "$work/no_wgmma"
  lines=$(python3 tests/gpu/run_suites.py "$test" --out "$work/smoke.json" --limit "$smoke_limit_s" --only "${smoke[@]}" |
    tee /dev/stderr) || failed=1
  if grep '^wgmma' <<<"$lines" | grep -qv ' passed '; then
    echo "gpu_check: wgmma does not work here; what follows goes without it"
    touch "$work/no_wgmma"
  fi
  return "$failed"
}

stage_tests() {
  local test
  test=$(program gpu_test)
  python3 tests/gpu/run_suites.py "$test" --out "$work/tests.json" --limit "$suite_limit_s"
}

# bench STAGE NAME [options]
bench() {
  local stage=$1 bench
  bench=$(program "$2")
  shift 2
  [[ ! -e $work/no_wgmma ]] || set -- "$@" --no-wgmma
  "$bench" --benchmark_out="$work/$stage.json" --benchmark_min_time=0.3 "$@"
}

stage_generator() { bench generator bench_generator '--benchmark_filter=precision:fp16|width:64/N:(1|64)/'; }

# One value a kernel needs one run of it, so this is quick; stage profile asks for everything of a few.
stage_durations() {
  local N bench
  bench=$(program bench_generator)
  command -v ncu >/dev/null || die "ncu is not on PATH; it comes with the CUDA toolkit"
  for N in 1 64; do
    ncu --csv --clock-control none --metrics gpu__time_duration.sum --kernel-name-base demangled --kernel-name regex:emo:: \
      --launch-count 100 "$bench" "--benchmark_filter=BM_GeneratorOnDevice/.*precision:fp16/width:64/N:$N/" \
      --benchmark_min_time=0.001 >"$work/durations_$N.csv"
  done
  python3 bench/gpu_report.py durations "$work"/durations_{1,64}.csv >"$work/durations.json"
  cat "$work/durations.json"
}

stage_speech() { bench speech bench_speech '--benchmark_filter=seconds:(3|6|60)$'; }
stage_lstm() { bench lstm bench_lstm; }
stage_convs() { bench convs bench_conv --benchmark_filter=/precision:fp16/; }
stage_pipeline() { bench pipeline bench_pipeline --benchmark_filter=precision:fp16/width:64/; }

# All four at the same time: each spends most of its own time on the host.
stage_sanitizers() {
  local test tool failed=0 results=()
  local -A job=()
  test=$(program gpu_test)
  command -v compute-sanitizer >/dev/null || die "compute-sanitizer is not on PATH; it comes with the CUDA toolkit"
  for tool in memcheck racecheck initcheck synccheck; do
    timeout --kill-after=2 $((limit - 5)) compute-sanitizer --tool "$tool" --error-exitcode 1 --print-limit 20 \
      "$test" --gtest_brief=1 --gtest_filter='*OddSizes*:*SameBytesAtAny*-FullSize*' >"$work/$tool.log" 2>&1 &
    job[$tool]=$!
  done
  for tool in "${!job[@]}"; do
    local status=0 result
    wait "${job[$tool]}" || status=$? failed=1
    result=$(result_of "$status")
    echo "--- $tool: $result"
    tail -n 40 "$work/$tool.log"
    results+=("\"$tool\": \"$result\"")
  done
  (IFS=, && echo "{${results[*]}}") >"$work/sanitizers.json"
  return "$failed"
}

# Nothing new is begun in its last half minute; Triton keeps what it compiled for the next call.
stage_peers() {
  TORCHINDUCTOR_CACHE_DIR=$PWD/$build/inductor python3 bench/peers_gpu.py --limit $((limit - 30)) --out "$work/peers.json"
}

stage_profile() {
  local bench N
  bench=$(program bench_generator)
  for N in 1 64; do
    local to=$out/profile_$N command=("$bench" "--benchmark_filter=backend:cuda/precision:fp16/width:64/N:$N/" --benchmark_min_time=0.01)
    if command -v ncu >/dev/null; then
      # The first calls of our own kernels, not those that measure the ceiling; the card's clocks are left alone.
      ncu --clock-control none --set detailed --kernel-name-base demangled --kernel-name regex:emo:: --launch-count 60 \
        --force-overwrite --export "$to" "${command[@]}"
      ncu --import "$to.ncu-rep" --page details >"$to.txt"
    elif command -v nsys >/dev/null; then
      nsys profile --force-overwrite true --cuda-graph-trace node --output "$to" "${command[@]}"
      nsys stats --report cuda_gpu_kern_sum "$to.nsys-rep" | tee "$to.txt"
    else
      die "neither ncu nor nsys is on PATH; both come with the CUDA toolkit"
    fi
  done
}

stage_tune() {
  local tune
  tune=$(program tune_conv)
  cp kernels/conv2d_measured.inc "$out"  # which keeps other cards' rows
  "$tune" --out "$out/conv2d_measured.inc"
}

if [[ ${1-} == --stage ]]; then  # a stage by itself, in the process that its time limit ends
  out=$3 limit=$4
  "stage_$2"
  exit
fi

out=out/gpu deadline=
while getopts :qo:t: option; do
  case $option in
    q) stages=("${quick[@]}") deadline=${deadline:-240} ;;
    o) out=$OPTARG ;;
    t) deadline=$OPTARG ;;
    *) usage "cannot use '-$OPTARG'" ;;
  esac
done
shift $((OPTIND - 1))
mkdir -p "$out" "$work"
for stage; do [[ -n ${limit_s[$stage]-} ]] || usage "there is no stage '$stage'"; done
(($# == 0)) || stages=("$@")
deadline=${deadline:-570}
[[ $deadline =~ ^[0-9]+$ ]] || usage "-t '$deadline' is no number of seconds"

failed=0 number=0
for stage in "${stages[@]}"; do
  limit=${limit_s[$stage]} started=$SECONDS status=0
  ((limit <= deadline - SECONDS)) || limit=$((deadline - SECONDS))
  if ((limit < 10)); then
    echo "=== $stage ($((++number)) of ${#stages[@]}): left out, $SECONDS of $deadline s are spent"
    python3 bench/gpu_report.py add "$work" "$out/results.json" "$stage" "left out" 0 0
    continue
  fi
  echo "=== $stage ($((++number)) of ${#stages[@]}; at most $limit s; $SECONDS s so far)"
  rm -f "$work/$stage".{json,clocks}
  nvidia-smi --query-gpu=clocks.sm,power.draw,temperature.gpu --format=csv,noheader,nounits -lms 500 \
    >"$work/$stage.clocks" 2>/dev/null &
  watcher=$!
  timeout --kill-after=5 "$limit" tools/gpu_check.sh --stage "$stage" "$out" "$limit" </dev/null 2>&1 | tee "$work/$stage.log" || status=$?
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  result=$(result_of "$status")
  [[ $result == passed || " ${must_pass[*]} " != *" $stage "* ]] || failed=1
  cat "$work/$stage.log" >>"$out/log.txt"
  python3 bench/gpu_report.py add "$work" "$out/results.json" "$stage" "$result" $((SECONDS - started)) "$limit" || failed=1
done

echo
echo "=== summary ($SECONDS s)"
python3 bench/gpu_report.py summary "$out/results.json"
exit $failed
