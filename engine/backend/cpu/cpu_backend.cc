#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>

#include "base/error.h"
#include "base/limits.h"
#include "engine/backend/backend.h"
#include "engine/backend/cpu/generator.h"
#include "engine/backend/cpu/image_ops.h"
#include "engine/backend/cpu/reader.h"
#include "engine/backend/cpu/speech.h"
#include "engine/backend/cpu/thread_pool.h"
#include "engine/backend/shared/turned_face.h"
#include "engine/backend/shared/warp.h"

namespace emo {
namespace {

using Isa = dnnl::cpu_isa;

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::sse41: return "SSE4.1";
    case Isa::avx: return "AVX";
    case Isa::avx2: return "AVX2";
    case Isa::avx2_vnni: return "AVX2 with VNNI";
    case Isa::avx512_core: return "AVX-512";
    case Isa::avx512_core_vnni: return "AVX-512 with VNNI";
    case Isa::avx512_core_bf16: return "AVX-512 with bf16";
    case Isa::avx512_core_amx: return "AVX-512 with AMX";
    default: return "x86-64";
  }
}

Precision choose(Precision asked) {
  const Isa isa = dnnl::get_effective_cpu_isa();
  const bool amx = isa == Isa::avx512_core_amx, bf16 = amx || isa == Isa::avx512_core_bf16;
  switch (asked) {
    case Precision::kAuto: return amx ? Precision::kBf16 : Precision::kFp32;
    case Precision::kFp32: return asked;
    case Precision::kBf16:
      if (bf16) return asked;
      fail(ErrorKind::kDevice, "cpu: bf16 needs a processor with AVX-512 bf16 or AMX, and this one has ", name_of(isa),
           "; use `precision` fp32");
    default:
      fail(ErrorKind::kDevice, "cpu: does not compute in ", asked == Precision::kFp16 ? "fp16" : "tf32",
           "; use `precision` fp32", bf16 ? " or bf16" : "");
  }
}

class CpuBackend : public Backend {
 public:
  CpuBackend(const Models& models, const BackendOptions& options)
      : precision_(choose(options.precision)),
        pool_(options.threads),
        contexts_(options.max_contexts > 0 ? options.max_contexts : std::min(pool_.threads(), limits::kMaxContexts)) {
    if (models.generator) {
      config_ = models.generator->generator();
      generator_.emplace(*models.generator, precision_, pool_, contexts_);
    }
    if (models.speech) speech_.emplace(*models.speech);
    if (models.reader) reader_.emplace(*models.reader, pool_, contexts_);
  }

  std::string describe() const override {
    const dnnl::version_t& v = *dnnl::version();
    return concat("cpu: ", name_of(dnnl::get_effective_cpu_isa()), ", ", precision_ == Precision::kBf16 ? "bf16" : "fp32",
                  ", ", pool_.threads(), pool_.threads() == 1 ? " thread" : " threads", ", oneDNN ", v.major, '.', v.minor,
                  '.', v.patch);
  }

  Capacity capacity() const override { return {contexts_, 1, 1}; }  // of many faces it draws one after another

  Matrix mfcc(std::span<const float> pcm) const override { return speech().mfcc(pcm); }
  Matrix speech(std::span<const float> pcm, std::span<const double> times_s) const override {
    return speech().hear(pcm)->read(times_s);
  }
  std::unique_ptr<const HeardClip> hear(std::span<const float> pcm) const override { return speech().hear(pcm); }

  void crop(const ImageView& photo, const Box& box, TensorView<float> face) const override {
    if (box.roll != 0) return crop_turned(photo, box, format_of(generator_config()), face, rows());
    crop_face(photo, box, generator_config(), face, pool_);
  }
  void generate(const GenerateCall& call) const override {
    generator_config();
    generator_->generate(call);
  }
  void paste(const MutableImageView& photo, const Box& box, const FaceChange& face) const override {
    if (box.roll != 0) return paste_turned(photo, box, generator_config(), face, rows());
    paste_face(photo, box, generator_config(), face, pool_);
  }
  void warp(const ImageView& photo, const FaceMesh& mesh, const Tone& tone, const MutableImageView& out) const override {
    warp_face(photo, mesh, tone, out, rows());
  }
  void read_faces(TensorView<const float> crops, TensorView<float> answers) const override {
    EMO_CHECK(reader_, "cpu: no face reader was opened");
    reader_->read(crops, answers);
  }

 private:
  EachRow rows() const {
    return [this](int count, const std::function<void(int)>& row) { pool_.run(count, [&](int y, int) { row(y); }); };
  }
  const CpuSpeech& speech() const {
    EMO_CHECK(speech_, "cpu: no speech model was opened");
    return *speech_;
  }
  const GeneratorConfig& generator_config() const override {
    EMO_CHECK(generator_, "cpu: no generator was opened");
    return config_;
  }

  Precision precision_;
  mutable ThreadPool pool_;
  const int contexts_;
  GeneratorConfig config_;
  std::optional<CpuGenerator> generator_;
  std::optional<CpuSpeech> speech_;
  std::optional<CpuReader> reader_;
};

}  // namespace

std::unique_ptr<Backend> open_cpu_backend(const Models& models, const BackendOptions& options) {
  return std::make_unique<CpuBackend>(models, options);
}

}  // namespace emo
