#!/bin/bash
# Makes the sample clips: 16 kHz mono FLAC of two to four seconds, one a style. Needs espeak-ng and sox.
# The styles follow what listeners go by: speed (-s words a minute), pitch (-p 0..99), loudness (-a) and, through SSML,
# the range of the pitch. sox adds the tremor of fear and the press of anger.
set -euo pipefail
cd "$(dirname "$0")"

# clip NAME PITCH SPEED LOUDNESS RANGE SENTENCE [sox effects]
clip() {
  local name=$1 pitch=$2 speed=$3 loudness=$4 range=$5 sentence=$6
  shift 6
  espeak-ng -v en-us+f1 -m -p "$pitch" -s "$speed" -a "$loudness" --stdout "<prosody range=\"$range\">$sentence</prosody>" |
    sox -R -t wav - -r 16000 -c 1 -b 16 "$name.flac" "$@" norm -1 pad 0.1 0.1
}

clip neutral   50 155 100 medium "The train to the harbour leaves at ten from platform four."
clip happy     72 185 130 high   "Oh, that is wonderful news! I am so happy for you!"
clip sad       30 120  60 x-low  "I miss her so much. She was my friend."
clip angry     42 200 180 high   "No! I told you to stop! Why do you never listen?" overdrive 12
clip fearful   80 210  90 high   "Did you hear that? Someone is outside. Please, do not open the door." tremolo 7 40
clip surprised 85 165 140 x-high "You are here already! What? I can not believe it!"
clip disgusted 25 135 110 low    "Ugh, that smells awful. Take it away."
