#!/bin/sh
# One slice of generator training on a machine with a GPU and PyTorch only, no network:
#
#   gpu_slice.sh NUMBER PACK START OUT [options of train_generator.py]
#
# NUMBER  of the slice: the seed of its data, so that no slice repeats another
# PACK    what pack.py wrote, at most 35 MB
# START   what the slice starts from: a folder of parts that an earlier slice left in its OUT, a .pth file, or "none"
# OUT     receives generator.NN, critic.NN in the adversarial stage (fp16, in parts of 15 MB) and log.txt
#
# The weights are written every minute, so a slice that is cut off leaves its last minute's behind.
# MINUTES (default 7.5) is the slice's length; PYTHON the interpreter.
set -eu
[ $# -ge 4 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
number=$1 pack=$2 start=$3 out=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
mkdir -p "$out"

# Parts of whatever weights there are; old parts go only when the new ones lie beside them.
publish() {
  for name in generator critic; do
    [ -f "$work/$name.pth" ] || continue
    rm -f "$out/.$name".*
    split -b 15000000 -d "$work/$name.pth" "$out/.$name."
    rm -f "$out/$name".[0-9][0-9]
    for part in "$out/.$name".[0-9][0-9]; do mv "$part" "$out/${part##*/.}"; done
  done
}

given=
if [ -d "$start" ]; then
  for name in generator critic; do
    if [ -f "$start/$name.00" ]; then cat "$start/$name".[0-9][0-9] >"$work/start_$name.pth"; fi
  done
  given="--start $work/start_generator.pth"
  if [ -f "$work/start_critic.pth" ]; then given="$given --start-critic $work/start_critic.pth"; fi
elif [ "$start" != none ]; then
  given="--start $start"
fi

# Half the slice's time is a cosine; whoever strings slices together lowers --rate from one to the next.
# shellcheck disable=SC2086
"$python" "$here/train_generator.py" --pack "$pack" --out "$work/state.pth" --weights "$work/generator.pth" \
  --critic "$work/critic.pth" --half --seed "$number" --minutes "${MINUTES:-7.5}" --save-minutes 1 --hold 0.5 --coarse 0 \
  --batch 64 --batches-per-chapter 64 --reuse 4 --report 200 --critic-filters 32 $given "$@" >"$out/log.txt" 2>&1 &
trainer=$!
trap 'kill $trainer 2>/dev/null || true; publish; rm -rf "$work"' EXIT
trap 'exit 143' TERM INT
seen=
while kill -0 $trainer 2>/dev/null; do
  sleep 2
  now=$(stat -c %Y "$work/generator.pth" 2>/dev/null || true)
  [ "$now" = "$seen" ] || { publish; seen=$now; }
done
wait $trainer || { cat "$out/log.txt" >&2; exit 1; }
tail -n 3 "$out/log.txt"
