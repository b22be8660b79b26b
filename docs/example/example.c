#include <emoengine_media.h>
#include <stdio.h>

#define TRY(call) \
  if (call) return fprintf(stderr, "%s\n", emo_error()), 1

int main(int argc, char** argv) {
  if (argc != 4) return fprintf(stderr, "usage: example face.jpg voice.wav out.png\n"), 2;
  const emo_options options = emo_default_options();
  const emo_source photo_file = {.path = argv[1]}, voice_file = {.path = argv[2]};
  emo_engine* engine;
  emo_picture* picture;
  emo_sound* sound;
  emo_voice* voice;
  emo_image photo;
  emo_box face;
  int32_t faces;
  size_t samples;
  float aus[EMO_MAX_AUS];

  TRY(emo_open(&options, &engine));
  TRY(emo_read_picture(&photo_file, &picture));
  TRY(emo_picture_image(picture, &photo));
  TRY(emo_find_faces(engine, &photo, &face, 1, &faces));
  if (faces == 0) return fprintf(stderr, "%s: shows no face\n", argv[1]), 1;
  TRY(emo_read_sound(&voice_file, emo_sample_rate(engine), &sound));
  const float* pcm = emo_sound_pcm(sound, &samples);
  TRY(emo_hear(engine, pcm, samples, &voice));
  TRY(emo_voice_whole(voice, aus));
  emo_redraw redraw = {.size = sizeof redraw, .photo = &photo, .box = face, .aus = aus, .out = &photo};
  TRY(emo_run(engine, &redraw, 1));
  TRY(emo_write_picture(&photo, argv[3]));

  emo_voice_free(voice);
  emo_sound_free(sound);
  emo_picture_free(picture);
  emo_close(engine);
  return 0;
}
