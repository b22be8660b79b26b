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

SIZE(emo_box, 12);

SIZE(emo_options, 112);
AT(emo_options, abi, 4);
AT(emo_options, generator, 8);
AT(emo_options, speech, 32);
AT(emo_options, models, 56);
AT(emo_options, backend, 60);
AT(emo_options, precision, 64);
AT(emo_options, threads, 68);
AT(emo_options, device, 72);
AT(emo_options, max_batch, 76);
AT(emo_options, max_wait_us, 80);
AT(emo_options, max_queue, 84);
AT(emo_options, max_contexts, 88);
AT(emo_options, reserved, 92);
AT(emo_options, log, 96);
AT(emo_options, user, 104);

SIZE(emo_redraw, 352);
AT(emo_redraw, passes, 4);
AT(emo_redraw, photo, 8);
AT(emo_redraw, box, 16);
AT(emo_redraw, is_crop, 28);
AT(emo_redraw, face, 32);
AT(emo_redraw, aus, 40);
AT(emo_redraw, out, 48);
AT(emo_redraw, after, 56);
AT(emo_redraw, mask, 64);
AT(emo_redraw, colour, 72);
AT(emo_redraw, timeout_us, 80);
AT(emo_redraw, status, 88);
AT(emo_redraw, error, 92);

SIZE(emo_picture_codec, 32);
AT(emo_picture_codec, decode, 8);
AT(emo_picture_codec, encode, 16);
AT(emo_picture_codec, user, 24);

SIZE(emo_video_options, 32);
AT(emo_video_options, fps, 8);
AT(emo_video_options, pcm, 16);
AT(emo_video_options, samples, 24);

SIZE(emo_animation, 104);
AT(emo_animation, passes, 4);
AT(emo_animation, photo, 8);
AT(emo_animation, box, 16);
AT(emo_animation, no_blinks, 28);
AT(emo_animation, voice, 32);
AT(emo_animation, aus, 40);
AT(emo_animation, rows, 48);
AT(emo_animation, fps, 56);
AT(emo_animation, smooth_s, 64);
AT(emo_animation, ease_s, 72);
AT(emo_animation, seed, 80);
AT(emo_animation, reserved, 84);
AT(emo_animation, frame, 88);
AT(emo_animation, user, 96);

// A C program can use it: what c_api_test.cc calls.
emo_status c_program_opens(emo_engine** engine) {
  const emo_options options = emo_default_options();
  return options.size == sizeof options && options.abi == emo_abi() ? emo_open(&options, engine) : EMO_INTERNAL;
}
