#!/usr/bin/env bash
# Makes the seeds of the fuzzers of what FFmpeg reads: one small video and sound in each container and codec that people send.
# Needs ffmpeg.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p video sound

# make NAME [options]: a moving pattern of 32x32 px, 5 frames.
make() {
  local name=$1
  shift
  ffmpeg -v error -y -f lavfi -i testsrc=size=32x32:rate=10:duration=0.5 -pix_fmt yuv420p "$@" -fflags +bitexact "video/$name"
}
make h264.mp4 -c:v libx264
make fragments.mp4 -c:v libx264 -g 2 -movflags frag_keyframe+empty_moov
make mpeg4.mov -c:v mpeg4
make vp9.webm -c:v libvpx-vp9
make h264.mkv -c:v libx264
make mjpeg.avi -c:v mjpeg -pix_fmt yuvj420p
make h264.ts -c:v libx264
make mpeg2.mpg -c:v mpeg2video -r 25
make theora.ogv -c:v libtheora
make flash.flv -c:v flv
make palette.gif -c:v gif -pix_fmt rgb8
ffmpeg -v error -y -i video/h264.mp4 -c copy -metadata:s:v:0 rotate=270 -fflags +bitexact video/turned.mp4

# sound NAME [options]: a tone of 0.2 s.
sound() {
  local name=$1
  shift
  ffmpeg -v error -y -f lavfi -i sine=frequency=300:sample_rate=16000:duration=0.2 "$@" -fflags +bitexact "sound/$name"
}
sound aac.m4a -c:a aac
sound alac.m4a -c:a alac
sound alac.caf -c:a alac
sound opus.webm -c:a libopus
sound wma.wma -c:a wmav2
sound ac3.ac3 -c:a ac3 -ar 32000
sound pcm.mov -c:a pcm_s16le
sound flac.ogg -c:a flac -f ogg
sound speex.ogg -c:a libspeex
sound pcm.w64 -c:a pcm_s16le -f w64
sound adts.aac -c:a aac
