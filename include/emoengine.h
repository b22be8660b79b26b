// emoengine.h: the C interface of libemoengine.so.0, for C11 and C++20. emoengine.hpp wraps it for C++; emoengine_media.h
// reads and writes pictures, sounds and videos, and finds faces. docs/abi.md says what stays the same between releases.
//
//   emo_options options = emo_default_options();    the installed models, the best backend
//   emo_engine* engine;
//   if (emo_open(&options, &engine)) return puts(emo_error());
//   emo_voice* voice;
//   emo_hear(engine, pcm, samples, &voice);         mono, emo_sample_rate(engine) samples a second
//   float aus[EMO_MAX_AUS];
//   emo_voice_whole(voice, aus);
//   emo_image photo = {pixels, width, height, 3 * width, EMO_RGB8, 0};
//   emo_redraw face = {.size = sizeof face, .photo = &photo, .box = {x, y, side}, .aus = aus, .out = &photo};
//   emo_run(engine, &face, 1);
//
// - Every function may be called from any thread, on the same handle too, unless it says otherwise.
// - Pixels, sound and results lie in the caller's memory. A handle is given back by its _free or _close, which take NULL.
// - A struct that may grow begins with `size`: sizeof of it. In an array the first item's is the distance to the next. A
//   field of 0 means its default, so {.size = sizeof x} is a start. What newer headers add, older libraries refuse.
// - A function that fails returns what kind of failure it was, leaves its outputs as they were (a handle NULL) and keeps a
//   sentence for this thread: emo_error(). A wrong argument is EMO_ARGUMENT. Nothing here aborts.
// - Nothing is printed: see emo_options.log.
#ifndef EMOENGINE_H
#define EMOENGINE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EMO_ABI 1
#define EMO_API __attribute__((visibility("default")))

// The ABI and the version ("0.1.0") of the library that was loaded. emo_open() refuses a program of another EMO_ABI.
EMO_API uint32_t emo_abi(void);
EMO_API const char* emo_version(void);

typedef int32_t emo_status;
enum {
  EMO_OK = 0,
  EMO_INTERNAL = 1,  // a defect of ours
  EMO_ARGUMENT = 2,  // a null pointer, a wrong size, a value out of range
  EMO_INPUT = 3,     // a picture, a sound or an output file that cannot be used
  EMO_MODEL = 4,     // a weight file that cannot be used
  EMO_DEVICE = 5,    // a backend, a precision, a driver or a plug-in that this machine lacks
  EMO_MEMORY = 6,
  EMO_BUSY = 7,  // max_queue faces wait: try later
  EMO_CANCELLED = 8,
  EMO_TIMEOUT = 9  // the deadline came before the work began
};
// This thread's last failure in one sentence, which names fields; "" before the first. Valid until its next failure.
EMO_API const char* emo_error(void);

// ---- Models and a device

typedef struct emo_engine emo_engine;

// A file by its path, or its bytes, which are copied. Does not grow.
typedef struct emo_source {
  const char* path;
  const void* data;  // not NULL: these bytes, not the path
  size_t bytes;
} emo_source;

enum { EMO_GENERATOR = 1, EMO_SPEECH = 2, EMO_READER = 4 };  // models
enum { EMO_AUTO = 0, EMO_CPU = 1, EMO_CUDA = 2 };
enum { EMO_BEST = 0, EMO_FP32 = 1, EMO_TF32 = 2, EMO_BF16 = 3, EMO_FP16 = 4 };
enum { EMO_DETAIL_AUTO = 0, EMO_DETAIL_SHARP = 1, EMO_DETAIL_NETWORK = 2 };
enum { EMO_LOG_NOTE = 1, EMO_LOG_WARNING = 2 };  // done otherwise than asked; about to go wrong

typedef struct emo_options {
  uint32_t size;
  uint32_t abi;          // EMO_ABI
  emo_source generator;  // all zero: the installed generator.safetensors
  emo_source speech;     // all zero: the installed speech.safetensors
  emo_source reader;     // all zero: the installed reader.safetensors, if there is one
  int32_t models;        // EMO_GENERATOR, EMO_SPEECH, EMO_READER or a sum of them: what is opened; 0: all
  int32_t backend;       // EMO_AUTO: a GPU where there is one that can be used
  int32_t precision;     // of the generator's arithmetic; EMO_BEST: the fastest whose pictures are right
  int32_t threads;       // of the CPU backend; 0: every processor that this process may use
  int32_t device;        // of the CUDA backend, as CUDA counts them; every call selects it and then the caller's again
  // Faces of many threads gather into batches.
  int32_t max_batch;     // faces of a batch; 0: as many as get the same bytes together as alone
  int32_t max_wait_us;   // a batch waits so long for more; 0: not at all
  int32_t max_queue;     // faces that wait, beyond which EMO_BUSY is the answer; 0: 1024
  int32_t max_contexts;  // batches at a time, which bounds the memory; 0: as suits the backend
  int32_t reserved;      // 0
  // Takes one line without its end, from any thread; NULL: nobody listens. It must not call this library.
  void (*log)(void* user, int32_t level, const char* line);
  void* user;
} emo_options;
// All fields 0 but size and abi, which tell the library what this program was compiled with.
static inline emo_options emo_default_options(void) {
  emo_options options;
  memset(&options, 0, sizeof options);
  options.size = (uint32_t)sizeof options;
  options.abi = EMO_ABI;
  return options;
}

EMO_API emo_status emo_open(const emo_options* options, emo_engine** engine);
// Cancels what waits and returns when nothing runs. No other call on the engine or its handles may follow.
EMO_API void emo_close(emo_engine* engine);

// "cpu: AVX-512, fp32, 2 threads, oneDNN 2.6.3"
EMO_API const char* emo_backend_text(const emo_engine* engine);
// Action units (AUs) are intensities from 0 to 1 in this order; all models have the same. At most EMO_MAX_AUS.
#define EMO_MAX_AUS 64
EMO_API int32_t emo_au_count(const emo_engine* engine);
// "AU12", or NULL with emo_error() for an index that is not there.
EMO_API const char* emo_au_name(const emo_engine* engine, int32_t index);
EMO_API int32_t emo_sample_rate(const emo_engine* engine);  // of sound, Hz; 0 without a speech model
EMO_API int32_t emo_face_side(const emo_engine* engine);    // of the network's face, px; 0 without a generator

// ---- Faces

enum { EMO_RGB8 = 0, EMO_BGR8 = 1, EMO_RGBA8 = 2, EMO_BGRA8 = 3 };  // A is neither read nor written

// A picture, upright. Does not grow.
typedef struct emo_image {
  void* pixels;
  int32_t width, height;
  ptrdiff_t stride;  // bytes from a row to the next, 0: rows without a gap
  int32_t format;
  int32_t memory;  // 0: the processor's, the only one so far
} emo_image;

// A face's square as a detector gives it, in pixels: left, top and side of the upright square, which `roll`, in radians and
// clockwise, turns about its middle. Does not grow.
typedef struct emo_box {
  float x, y, side, roll;
} emo_box;

#define EMO_LANDMARKS 478
// What the face reader sees under a box.
typedef struct emo_reading {
  uint32_t size;
  float confidence;  // written: that this is a face, from 0 to 1
  emo_box box;       // written: the face's own, turned as the face is
  float* landmarks;  // NULL, or written: EMO_LANDMARKS pairs x, y in the photo's pixels, in the order of FaceMesh
  float* aus;        // NULL, or written: the AUs that the face shows
} emo_reading;
// Reads a face under a box, whose roll may be any; a second look under the box that the first gave is more exact.
EMO_API emo_status emo_read_face(emo_engine* engine, const emo_image* photo, emo_box box, emo_reading* reading);

typedef struct emo_face emo_face;  // cut out of its photo, to be redrawn often
EMO_API emo_status emo_cut(emo_engine* engine, const emo_image* photo, emo_box box, emo_face** face);
EMO_API void emo_face_free(emo_face* face);

// One face to be redrawn. What is NULL is not computed.
typedef struct emo_redraw {
  uint32_t size;
  int32_t passes;          // times that the network draws the face, each from the picture before; 0: 1
  const emo_image* photo;  // may be NULL when `face` is given and `out` is not
  emo_box box;
  int32_t is_crop;  // 1: the photo is the network's crop, emo_face_side() square; `box` is not looked at
  // How `out` is drawn. EMO_DETAIL_SHARP: the photo's own pixels are moved, at its resolution; it needs a face reader.
  // EMO_DETAIL_NETWORK: by the network. EMO_DETAIL_AUTO: sharp where the reader is sure of the landmarks.
  int32_t detail;
  const emo_face* face;  // the same face, cut out of the same photo already
  const float* aus;      // emo_au_count() values
  const emo_image* out;  // receives the photo with the face redrawn, at the photo's size; may be `photo`
  // S = emo_face_side(). Planar, in the model's range and channel order, all passes together:
  // after = mask * before + (1 - mask) * colour, or with mask and 1 - mask exchanged, as the model has it.
  float* after;        // 3 * S * S
  float* mask;         // S * S
  float* colour;       // 3 * S * S
  int64_t timeout_us;  // a face that is not begun by then fails with EMO_TIMEOUT; 0: none
  // 1: AUs are added to what the face reader sees in the photo, which stays as it is where that changes nothing; the network
  // takes twice the time. 0: the face shows `aus` alone.
  int32_t relative;
  emo_status status;  // written: how this face went; one that fails spoils no other
  char error[256];    // written: its sentence, cut to fit; "" when it is well
} emo_redraw;

// Redraws faces and returns when all have their status; the first failure is returned. All faces of one photo are cut out
// before one is put back.
EMO_API emo_status emo_run(emo_engine* engine, emo_redraw* faces, int32_t count);

// The same without waiting. Everything that `faces` names stays as it is until done() was called or emo_wait() returned
// EMO_OK. done() may be NULL; it is called once, from a thread of the engine, and must not wait or free there.
typedef struct emo_job emo_job;
EMO_API emo_status emo_submit(emo_engine* engine, emo_redraw* faces, int32_t count, void (*done)(void* user), void* user,
                              emo_job** job);
// EMO_OK when all faces have their status, which may be a failure; EMO_TIMEOUT when that took longer. Negative: for ever.
EMO_API emo_status emo_wait(emo_job* job, int64_t timeout_us);
// Faces that were not begun get EMO_CANCELLED. Returns at once.
EMO_API void emo_cancel(emo_job* job);
// Waits for the faces first.
EMO_API void emo_job_free(emo_job* job);

// ---- Voices

typedef struct emo_voice emo_voice;  // a clip that was heard

// Runs the speech model over a mono clip; samples lie in [-1, 1]. The clip may go then.
EMO_API emo_status emo_hear(emo_engine* engine, const float* pcm, size_t samples, emo_voice** voice);
EMO_API void emo_voice_free(emo_voice* voice);
EMO_API double emo_voice_seconds(const emo_voice* voice);
// The AUs of the whole clip: emo_au_count() values.
EMO_API emo_status emo_voice_whole(const emo_voice* voice, float* aus);
// The AUs at each time, in seconds: count rows of emo_au_count() values.
EMO_API emo_status emo_voice_at(const emo_voice* voice, const double* times_s, size_t count, float* aus);
// Raises AU25, AU26 and AU20 of rows at these times to what the lips do: they open with the syllables and shut for /p b m/.
// amount: 0 to 2; 1: as far as people's. A clip without speech moves no lips.
EMO_API emo_status emo_voice_add_lips(const emo_voice* voice, const double* times_s, size_t count, double amount,
                                      float* aus);

typedef struct emo_live emo_live;  // a voice that is still speaking; for one thread at a time

// A row of AUs for each video frame, at 0, 1/fps, 2/fps ... s, at most 120 ms after its sound. EMO_MODEL for a speech model
// that is not made for streams.
EMO_API emo_status emo_hear_live(emo_engine* engine, double fps, emo_live** live);
EMO_API void emo_live_free(emo_live* live);
// Takes the next samples, any number, and tells how many rows wait to be taken. The rows do not depend on how the sound is
// cut.
EMO_API emo_status emo_live_push(emo_live* live, const float* pcm, size_t samples, size_t* waiting);
// The sound is over: tells how many rows wait with the last. No more samples may come.
EMO_API emo_status emo_live_finish(emo_live* live, size_t* waiting);
// The next rows of those that wait: rows of emo_au_count() values.
EMO_API emo_status emo_live_take(emo_live* live, size_t rows, float* aus);

// ---- Expressions

// aus = clamp(intensity * voice + emotion), then the edits: emotion "happiness=0.7,surprise=0.3", au "12=1,4=+0.3".
// Each text and `voice` may be NULL. `aus` may be `voice`.
EMO_API emo_status emo_express(const emo_engine* engine, const float* voice, float intensity, const char* emotion,
                               const char* au, float* aus);
// The emotion that AUs show, "neutral" or "happiness" ..., and how strongly; `strength` may be NULL. NULL when it fails.
EMO_API const char* emo_emotion(const emo_engine* engine, const float* aus, float* strength);

#ifdef __cplusplus
}
#endif
#endif
