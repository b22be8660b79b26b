// The ABI as numbers, checked when this is compiled, as C11. A line that fails is a promise broken: see docs/abi.md.
#include <emoengine_media.h>

#define AT(type, field, offset) _Static_assert(offsetof(type, field) == offset, #type "." #field " has moved")
#define SIZE(type, bytes) _Static_assert(sizeof(type) == bytes, #type " has another size")

_Static_assert(EMO_ABI == 1, "see docs/abi.md");

SIZE(emo_source, 24);
AT(emo_source, data, 8);
AT(emo_source, bytes, 16);

SIZE(emo_image, 32);
AT(emo_image, width, 8);
AT(emo_image, height, 12);
AT(emo_image, stride, 16);
AT(emo_image, format, 24);
AT(emo_image, memory, 28);

SIZE(emo_box, 16);
AT(emo_box, roll, 12);

SIZE(emo_reading, 40);
AT(emo_reading, confidence, 4);
AT(emo_reading, box, 8);
AT(emo_reading, landmarks, 24);
AT(emo_reading, aus, 32);

SIZE(emo_options, 136);
AT(emo_options, abi, 4);
AT(emo_options, generator, 8);
AT(emo_options, speech, 32);
AT(emo_options, reader, 56);
AT(emo_options, models, 80);
AT(emo_options, backend, 84);
AT(emo_options, precision, 88);
AT(emo_options, threads, 92);
AT(emo_options, device, 96);
AT(emo_options, max_batch, 100);
AT(emo_options, max_wait_us, 104);
AT(emo_options, max_queue, 108);
AT(emo_options, max_contexts, 112);
AT(emo_options, reserved, 116);
AT(emo_options, log, 120);
AT(emo_options, user, 128);

SIZE(emo_redraw, 360);
AT(emo_redraw, passes, 4);
AT(emo_redraw, photo, 8);
AT(emo_redraw, box, 16);
AT(emo_redraw, is_crop, 32);
AT(emo_redraw, detail, 36);
AT(emo_redraw, face, 40);
AT(emo_redraw, aus, 48);
AT(emo_redraw, out, 56);
AT(emo_redraw, after, 64);
AT(emo_redraw, mask, 72);
AT(emo_redraw, colour, 80);
AT(emo_redraw, timeout_us, 88);
AT(emo_redraw, relative, 96);
AT(emo_redraw, status, 100);
AT(emo_redraw, error, 104);

SIZE(emo_picture_codec, 32);
AT(emo_picture_codec, decode, 8);
AT(emo_picture_codec, encode, 16);
AT(emo_picture_codec, user, 24);

SIZE(emo_video_options, 32);
AT(emo_video_options, fps, 8);
AT(emo_video_options, pcm, 16);
AT(emo_video_options, samples, 24);

SIZE(emo_animation, 120);
AT(emo_animation, passes, 4);
AT(emo_animation, photo, 8);
AT(emo_animation, box, 16);
AT(emo_animation, no_blinks, 32);
AT(emo_animation, relative, 36);
AT(emo_animation, voice, 40);
AT(emo_animation, aus, 48);
AT(emo_animation, rows, 56);
AT(emo_animation, fps, 64);
AT(emo_animation, smooth_s, 72);
AT(emo_animation, ease_s, 80);
AT(emo_animation, lips, 88);
AT(emo_animation, seed, 96);
AT(emo_animation, detail, 100);
AT(emo_animation, frame, 104);
AT(emo_animation, user, 112);

// A C program can use it: what c_api_test.cc calls.
emo_status c_program_opens(emo_engine** engine) {
  const emo_options options = emo_default_options();
  return options.size == sizeof options && options.abi == emo_abi() ? emo_open(&options, engine) : EMO_INTERNAL;
}
