#include "engine.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <span>

namespace emo::python {

Engine::Engine(const emo_options& options) : opened_(std::make_shared<Opened>()) {
  emo_options with_log = options;
  with_log.log = Notes::add;
  with_log.user = &opened_->notes;
  opened_->engine = std::make_unique<emoengine::Engine>(with_log);
}

std::shared_ptr<Opened> Engine::opened() const {
  if (!opened_) refuse("engine: is closed; open another");
  if (opened_->pid != ::getpid()) {
    refuse("engine: was opened in process " + std::to_string(opened_->pid) + ", and this is its child " +
           std::to_string(::getpid()) + ", which has none of its threads; create the Engine after fork");
  }
  return opened_;
}

void Engine::close() {
  if (opened_ && opened_->pid == ::getpid()) opened_->jobs.cancel();
  opened_.reset();
}

namespace {

using Source = std::variant<std::string, nb::bytes>;
using Job = std::tuple<ConstPixels, Square, Values, Pixels>;  // photo, face, AUs, where the result goes

Values aus_of(const Opened& engine, Values aus) {
  const auto count = std::size_t(engine.engine->au_count());
  if (aus.size() != count) {
    refuse("`aus`: " + std::to_string(aus.size()) + " values came; the model's " + std::to_string(count) +
           " action units are needed");
  }
  return aus;
}

/// A job in a list, while it runs.
class Listed {
 public:
  Listed(Cancel* list, emo_job* job) : list_(list), job_(job) {
    if (list_) list_->add(job_);
  }
  ~Listed() {
    if (list_) list_->remove(job_);
  }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;

 private:
  Cancel* list_;
  emo_job* job_;
};

/// By threads of the engine; Ctrl-C and `cancel`, which may be null, call off the faces that were not begun.
void run_where_it_can_be_cancelled(Opened& opened, std::vector<emo_redraw>& faces, Cancel* cancel) {
  emoengine::Handle<emo_job, emo_job_free> job;
  {
    nb::gil_scoped_release released;
    job = emoengine::make<decltype(job)>(emo_submit, opened.engine->get(), faces.data(), std::int32_t(faces.size()),
                                         static_cast<void (*)(void*)>(nullptr), static_cast<void*>(nullptr));
  }
  const Listed in_engine(&opened.jobs, job.get()), in_task(cancel, job.get());
  wait_for([&](std::int64_t us) { return emo_wait(job.get(), us) == EMO_OK; }, [&] { emo_cancel(job.get()); });
}

std::vector<std::pair<int, std::string>> redraw(const Engine& self, const std::vector<Job>& jobs, bool bgr, bool crops,
                                                bool relative, int passes, std::int32_t detail, std::int64_t timeout_us,
                                                Cancel* cancel) {
  const Call call;
  const auto opened = self.opened();
  std::vector<emo_image> photos, outs;
  for (const auto& [photo, face, aus, out] : jobs) {
    photos.push_back(image_of(photo, bgr));
    outs.push_back(image_of(out, bgr));
    aus_of(*opened, aus);
  }
  std::vector<emo_redraw> faces(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto& [photo, face, aus, out] = jobs[i];
    const auto [x, y, side, roll] = face;
    faces[i] = {.size = sizeof(emo_redraw),
                .passes = passes,
                .photo = &photos[i],
                .box = {x, y, side, roll},
                .is_crop = crops,
                .detail = detail,
                .aus = aus.data(),
                .out = &outs[i],
                .timeout_us = timeout_us,
                .relative = relative};
  }
  if (jobs.size() == 1 && !cancel) {
    // On this thread: handing a face to another costs 6 %. Ctrl-C waits for it.
    nb::gil_scoped_release released;
    const emo_status status = emo_run(opened->engine->get(), faces.data(), 1);
    if (faces[0].status == EMO_OK) emoengine::check(status);  // what concerns all is no face's
  } else {
    run_where_it_can_be_cancelled(*opened, faces, cancel);
  }
  std::vector<std::pair<int, std::string>> results;
  for (const auto& face : faces) results.emplace_back(face.status, face.error);
  return results;
}

template <typename Function>
auto without_gil(const Function& work) {
  const Call call;
  nb::gil_scoped_release released;
  return work();
}

nb::ndarray<nb::numpy, float> array_of(emoengine::Aus aus, std::size_t columns) {
  auto keep = std::make_unique<emoengine::Aus>(std::move(aus));
  float* data = keep->data();
  const std::size_t rows = keep->size() / columns;
  return owning(std::move(keep), data, {rows, columns});
}

emo_source source_of(const std::optional<Source>& source) {
  if (!source) return {};
  if (const auto* path = std::get_if<std::string>(&*source)) return {path->c_str(), nullptr, 0};
  const auto& bytes = std::get<nb::bytes>(*source);
  return {nullptr, bytes.c_str(), bytes.size()};
}

Square square_of(const emo_box& box) { return {box.x, box.y, box.side, box.roll}; }

/// Largest first. `largest`: the search of emo_find_faces for one.
std::vector<Square> find_faces(const Engine& self, const ConstPixels& pixels, bool bgr, bool largest) {
  const auto opened = self.opened();
  const emo_image image = image_of(pixels, bgr);
  return without_gil([&] {
    std::vector<Square> faces;
    if (largest) {
      emo_box box{};
      std::int32_t found = 0;
      emoengine::check(emo_find_faces(opened->engine->get(), &image, &box, 1, &found));
      if (found > 0) faces.push_back(square_of(box));
    } else {
      for (const emo_box& box : opened->engine->find_faces(image)) faces.push_back(square_of(box));
    }
    return faces;
  });
}

/// Confidence, box, landmarks (478,2), AUs (1,N).
auto read_face(const Engine& self, const ConstPixels& pixels, const Square& face, bool bgr) {
  const auto opened = self.opened();
  const emo_image image = image_of(pixels, bgr);
  const auto [x, y, side, roll] = face;
  emoengine::Reading reading = without_gil([&] { return opened->engine->read(image, {x, y, side, roll}); });
  const std::size_t count = reading.aus.size();
  emoengine::Aus landmarks(reading.landmarks.begin(), reading.landmarks.end());
  return std::tuple(reading.confidence, square_of(reading.box), array_of(std::move(landmarks), 2),
                    array_of(std::move(reading.aus), count));
}

}  // namespace

void bind_engine(nb::module_& m) {
  nb::class_<Cancel>(m, "Cancel").def(nb::init<>()).def("cancel", &Cancel::cancel, nb::call_guard<nb::gil_scoped_release>());

  nb::class_<Voice>(m, "Voice")
      .def_prop_ro("seconds", [](const Voice& self) { return emo_voice_seconds(self.voice.get()); })
      .def("whole",
           [](const Voice& self) {
             return array_of(without_gil([&] { return self.voice.whole(); }), std::size_t(self.engine->engine->au_count()));
           })
      .def(
          "at",
          [](const Voice& self, nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu> times_s) {
            const std::span<const double> times(times_s.data(), times_s.size());
            return array_of(without_gil([&] { return self.voice.at(times); }), std::size_t(self.engine->engine->au_count()));
          },
          nb::arg("times_s"))
      .def(
          "add_lips",
          [](const Voice& self, nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu> times_s, double amount,
             nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu> rows) {
            const auto count = std::size_t(self.engine->engine->au_count());
            const std::span<const double> times(times_s.data(), times_s.size());
            emoengine::Aus aus(rows.data(), rows.data() + rows.size());
            without_gil([&] { self.voice.add_lips(times, amount, aus); });
            return array_of(std::move(aus), count);
          },
          nb::arg("times_s"), nb::arg("amount"), nb::arg("rows"), "The rows, one a time, raised to what the lips do.");

  nb::class_<Engine>(m, "Engine")
      .def(
          "__init__",
          [](Engine* self, const std::optional<Source>& generator, const std::optional<Source>& speech,
             const std::optional<Source>& reader, int models, int backend, int precision, int threads, int device,
             int max_batch, int max_wait_us, int max_queue, int max_contexts) {
            const Call call;
            emo_options options = emo_default_options();
            options.generator = source_of(generator);
            options.speech = source_of(speech);
            options.reader = source_of(reader);
            options.models = models;
            options.backend = backend;
            options.precision = precision;
            options.threads = threads;
            options.device = device;
            options.max_batch = max_batch;
            options.max_wait_us = max_wait_us;
            options.max_queue = max_queue;
            options.max_contexts = max_contexts;
            nb::gil_scoped_release released;
            new (self) Engine(options);
          },
          nb::arg("generator").none(), nb::arg("speech").none(), nb::arg("reader").none(), nb::kw_only(), nb::arg("models"),
          nb::arg("backend"), nb::arg("precision"), nb::arg("threads"), nb::arg("device"), nb::arg("max_batch"),
          nb::arg("max_wait_us"), nb::arg("max_queue"), nb::arg("max_contexts"))
      .def_prop_ro("closed", &Engine::closed)
      .def_prop_ro("backend", [](const Engine& self) { return emo_backend_text(self.opened()->engine->get()); })
      .def_prop_ro("au_names",
                   [](const Engine& self) {
                     const auto opened = self.opened();
                     std::vector<std::string> names;
                     for (int i = 0; i < opened->engine->au_count(); ++i) names.push_back(opened->engine->au_name(i));
                     return names;
                   })
      .def_prop_ro("sample_rate", [](const Engine& self) { return self.opened()->engine->sample_rate(); })
      .def_prop_ro("face_side", [](const Engine& self) { return self.opened()->engine->face_side(); })
      .def("take_notes", [](const Engine& self) { return self.opened()->notes.take(); })
      .def("close",
           [](Engine& self) {
             nb::gil_scoped_release released;
             self.close();
           })
      .def("redraw", redraw, nb::arg("jobs"), nb::kw_only(), nb::arg("bgr"), nb::arg("crops"), nb::arg("relative"),
           nb::arg("passes"), nb::arg("detail"), nb::arg("timeout_us"), nb::arg("cancel").none())
      .def("find_faces", find_faces, nb::arg("pixels"), nb::kw_only(), nb::arg("bgr"), nb::arg("largest"))
      .def("read_face", read_face, nb::arg("pixels"), nb::arg("face"), nb::kw_only(), nb::arg("bgr"))
      .def(
          "hear",
          [](const Engine& self, Values pcm) {
            const auto opened = self.opened();
            return without_gil([&] { return Voice{opened, opened->engine->hear({pcm.data(), pcm.size()})}; });
          },
          nb::arg("pcm"))
      .def(
          "express",
          [](const Engine& self, const std::optional<Values>& voice, float intensity,
             const std::optional<std::string>& emotion, const std::optional<std::string>& au) {
            const auto opened = self.opened();
            const float* heard = voice ? aus_of(*opened, *voice).data() : nullptr;
            const auto text = [](const auto& given) { return given ? given->c_str() : nullptr; };
            return array_of(opened->engine->express(text(emotion), text(au), heard, intensity),
                            std::size_t(opened->engine->au_count()));
          },
          nb::arg("voice").none(), nb::arg("intensity"), nb::arg("emotion").none(), nb::arg("au").none())
      .def(
          "emotion",
          [](const Engine& self, const Values& aus) {
            const auto opened = self.opened();
            float strength = 0;
            const char* name = emo_emotion(opened->engine->get(), aus_of(*opened, aus).data(), &strength);
            if (!name) refuse(emo_error());
            return std::pair<std::string, float>(name, strength);
          },
          nb::arg("aus"));
}

}  // namespace emo::python
