#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/version.h"
#include "tools/emoengine/serve/limits.h"
#include "tools/emoengine/serve/routes.h"
#include "tools/emoengine/serve/tensors.h"

/// KServe V2 (Open Inference Protocol) over HTTP, as tritonclient and perf_analyzer speak it.
namespace emo::serve {
namespace {

using nlohmann::ordered_json;

constexpr const char* kVersion = "1";  // of every model

struct TensorKind {
  const char* name;
  std::vector<std::int64_t> shape;  ///< -1: any number of at least 1
};

/// What goes in and out of a model.
struct Model {
  int max_batch;  ///< 0: there is no batch
  std::vector<TensorKind> inputs, outputs;
};

Model model_of(const Call& call) {
  const std::string& name = call.names[0];
  if (call.names.size() > 1 && call.names[1] != kVersion) {
    throw HttpError(404, concat("version: '", printable(call.names[1]), "' came; each model has version 1 alone"));
  }
  const Engine& engine = call.app.needed_engine();
  const std::int64_t side = engine.generator_config().image_size,
                     aus = std::int64_t(engine.generator_config().au_names.size());
  const TensorKind image{"image", {-1, 3, side, side}}, face{"face", {-1, 3, side, side}};
  if (name == "generator") return {limits::kMaxBatch, {image, {"aus", {-1, aus}}}, {face}};
  if (name == "speech") return {0, {{"pcm", {-1}}}, {{"aus", {std::int64_t(engine.speech_config().au_names.size())}}}};
  if (name == "emoengine") return {0, {image, {"pcm", {-1}}}, {face, {"aus", {aus}}}};
  throw HttpError(404, concat("model: '", printable(name), "' is none; generator, speech and emoengine are"));
}

Response json_response(const ordered_json& json) { return {.body = json.dump()}; }

Awaitable<Response> server(Call&) {
  co_return json_response({{"name", "emoengine"},
                           {"version", version()},
                           {"extensions", {"binary_tensor_data", "model_configuration", "statistics", "model_repository"}}});
}

Awaitable<Response> model_ready(Call& call) {
  model_of(call);
  if (!call.app.ready()) throw HttpError(503, "the server is not ready");
  co_return Response{.body = "{}"};
}

ordered_json tensors_json(const std::vector<TensorKind>& tensors) {
  auto json = ordered_json::array();
  for (const TensorKind& tensor : tensors) {
    json.push_back({{"name", tensor.name}, {"datatype", "FP32"}, {"shape", tensor.shape}});
  }
  return json;
}

Awaitable<Response> metadata(Call& call) {
  const Model model = model_of(call);
  co_return json_response({{"name", call.names[0]},
                           {"versions", {kVersion}},
                           {"platform", "emoengine"},
                           {"inputs", tensors_json(model.inputs)},
                           {"outputs", tensors_json(model.outputs)}});
}

/// As Triton writes a model's configuration: without the batch's side of a shape.
ordered_json config_tensors(const std::vector<TensorKind>& tensors, bool batched, bool input) {
  auto json = ordered_json::array();
  for (const TensorKind& tensor : tensors) {
    const std::vector<std::int64_t> dims(tensor.shape.begin() + batched, tensor.shape.end());
    ordered_json entry{{"name", tensor.name}, {"data_type", "TYPE_FP32"}, {"dims", dims}};
    if (input) entry["format"] = "FORMAT_NONE";
    json.push_back(std::move(entry));
  }
  return json;
}

Awaitable<Response> config(Call& call) {
  const Model model = model_of(call);
  const bool batched = model.max_batch > 0;
  ordered_json json{{"name", call.names[0]},
                    {"platform", "emoengine"},
                    {"backend", "emoengine"},
                    {"version_policy", {{"latest", {{"num_versions", 1}}}}},
                    {"max_batch_size", model.max_batch},
                    {"input", config_tensors(model.inputs, batched, true)},
                    {"output", config_tensors(model.outputs, batched, false)}};
  if (batched) json["dynamic_batching"] = ordered_json::object();
  co_return json_response(json);
}

ordered_json stats_of(const std::string& name, const ModelStats& stats) {
  const auto duration = [](std::uint64_t count, std::uint64_t ns) { return ordered_json{{"count", count}, {"ns", ns}}; };
  const std::uint64_t done = stats.succeeded;
  return {{"name", name},
          {"version", kVersion},
          {"last_inference", stats.last_ms.load()},
          {"inference_count", stats.inferences.load()},
          {"execution_count", done},
          {"inference_stats",
           {{"success", duration(done, stats.ns)},
            {"fail", duration(stats.failed, stats.failed_ns)},
            {"queue", duration(done, 0)},
            {"compute_input", duration(done, stats.input_ns)},
            {"compute_infer", duration(done, stats.infer_ns)},
            {"compute_output", duration(done, stats.output_ns)}}},
          {"batch_stats", ordered_json::array()}};
}

Awaitable<Response> stats(Call& call) {
  ordered_json json{{"model_stats", ordered_json::array()}};
  if (!call.names.empty()) model_of(call);
  for (const auto& [name, of] : call.app.models) {
    if (call.names.empty() || call.names[0] == name) json["model_stats"].push_back(stats_of(name, of));
  }
  co_return json_response(json);
}

Awaitable<Response> repository(Call& call) {
  auto json = ordered_json::array();
  for (const auto& [name, of] : call.app.models) {
    json.push_back({{"name", name}, {"version", kVersion}, {"state", call.app.ready() ? "READY" : "UNAVAILABLE"}});
  }
  co_return json_response(json);
}

/// Measures the steps of an inference for the statistics.
class Steps {
 public:
  explicit Steps(ModelStats& stats) : stats_(stats) {}
  void next(std::atomic<std::uint64_t>& ns) {
    const auto now = Ticket::Clock::now();
    ns += std::uint64_t((now - last_).count());
    last_ = now;
  }
  void end(bool succeeded, std::int64_t rows) {
    const auto whole = std::uint64_t((Ticket::Clock::now() - start_).count());
    if (succeeded) {
      ++stats_.succeeded;
      stats_.inferences += std::uint64_t(rows);
      stats_.ns += whole;
    } else {
      ++stats_.failed;
      stats_.failed_ns += whole;
    }
    const auto today = std::chrono::system_clock::now().time_since_epoch();
    stats_.last_ms = std::uint64_t(std::chrono::duration_cast<std::chrono::milliseconds>(today).count());
  }

 private:
  ModelStats& stats_;
  const Ticket::Clock::time_point start_ = Ticket::Clock::now();
  Ticket::Clock::time_point last_ = start_;
};

/// The faces of a tensor, of whose values the generator draws.
std::vector<CutFace> to_faces(const InputTensor& tensor, const GeneratorConfig& config) {
  std::vector<CutFace> faces(std::size_t(tensor.shape[0]));
  const std::size_t count = tensor.values.size() / faces.size();
  for (const float value : tensor.values) {
    if (value >= config.pixel_min && value <= config.pixel_max) continue;
    throw HttpError(400, concat("input 'image': ", value, " came; values from ", config.pixel_min, " to ", config.pixel_max,
                                " are needed"));
  }
  for (std::size_t n = 0; n < faces.size(); ++n) {
    faces[n] = {config.image_size, HostBuffer<float>(count)};
    std::copy_n(tensor.values.data() + n * count, count, faces[n].planes.data());
  }
  return faces;
}

/// What a request's inputs became, and what the models made of it.
struct Work {
  InferRequest request;
  std::vector<CutFace> faces;
  std::vector<FaceJob> jobs;
  std::vector<OutputTensor> outputs;
};

void hear(const Engine& engine, Work& work) {
  const InputTensor& pcm = work.request.needed("pcm", {-1});
  const double most = limits::kMaxAudioSeconds * engine.speech_config().sample_rate_hz;
  if (double(pcm.values.size()) > most) {
    throw HttpError(400, concat("input 'pcm': ", pcm.values.size(), " samples came; at most ", most, " are taken"));
  }
  const ActionUnits au = engine.hear(pcm.values).whole();
  work.outputs.push_back({"aus", {std::int64_t(au.values().size())}, au.values()});
}

/// The faces of input 'image', each with its row of 'aus' or all with one.
void add_jobs(const Engine& engine, Work& work, const std::vector<ActionUnits>& aus) {
  const GeneratorConfig& config = engine.generator_config();
  const std::int64_t side = config.image_size;
  const InputTensor& image = work.request.needed("image", {-1, 3, side, side});
  const std::size_t count = std::size_t(image.shape[0]), values = 3 * std::size_t(side * side);
  if (count > std::size_t(limits::kMaxBatch)) {
    throw HttpError(400, concat("input 'image': ", count, " faces came; at most ", limits::kMaxBatch, " are taken"));
  }
  if (aus.size() != 1 && aus.size() != count) {
    throw HttpError(400, concat("input 'aus': ", aus.size(), " rows came for ", count, " faces"));
  }
  work.outputs.insert(work.outputs.begin(), {"face", image.shape, std::vector<float>(count * values)});
  work.faces = to_faces(image, config);
  for (std::size_t i = 0; i < count; ++i) {
    work.jobs.push_back({.face = {0, 0, float(side)},
                         .is_crop = true,
                         .cut = &work.faces[i],
                         .au = aus[aus.size() == 1 ? 0 : i],
                         .after = work.outputs[0].values.data() + i * values});
  }
}

std::vector<ActionUnits> rows(const Engine& engine, const Work& work) {
  const auto& names = engine.generator_config().au_names;
  const InputTensor& aus = work.request.needed("aus", {-1, std::int64_t(names.size())});
  std::vector<ActionUnits> rows;
  for (std::size_t i = 0; i < aus.values.size(); i += names.size()) {
    const std::span<const float> row(&aus.values[i], names.size());
    const auto fits = [](float au) { return au >= 0 && au <= 1; };
    if (const auto bad = std::ranges::find_if_not(row, fits); bad != row.end()) {
      throw HttpError(400, concat("input 'aus': ", *bad, " came; values from 0 to 1 are needed"));
    }
    rows.emplace_back(names, row);
  }
  return rows;
}

Awaitable<> compute(Call& call, const std::string& model, Work& work, Steps& steps, ModelStats& stats) {
  const Engine& engine = call.app.needed_engine();
  const std::string length = call.request.header("inference-header-content-length");
  const std::size_t known = model == "speech" ? 1 : 2;
  co_await call.ticket.run([&] {
    const std::string body = decompressed(call.request.body, call.request.header("content-encoding"));
    work.request = parse_infer(body, length.empty() ? std::nullopt : std::optional(length));
    if (work.request.inputs.size() > known) {
      throw HttpError(400, concat("request: ", work.request.inputs.size(), " inputs came; the model has ", known));
    }
    if (model != "generator") {
      hear(engine, work);
      steps.next(stats.infer_ns);
    }
    if (model == "generator") add_jobs(engine, work, rows(engine, work));
    if (model == "emoengine") {
      const ActionUnits au(engine.speech_config().au_names, work.outputs[0].values);
      add_jobs(engine, work, {au});
    }
  });
  steps.next(stats.input_ns);
  if (!work.jobs.empty()) co_await call.ticket.redraw(work.jobs);
  steps.next(stats.infer_ns);
}

Awaitable<Response> infer(Call& call) {
  model_of(call);
  const std::string model = call.names[0];
  ModelStats& stats = call.app.models.at(model);
  Steps steps(stats);
  Work work;
  Response response;
  std::exception_ptr failure;
  try {
    co_await compute(call, model, work, steps, stats);
    std::optional<std::size_t> json_bytes;
    const auto write = [&] { response.body = write_infer(model, work.request, work.outputs, json_bytes); };
    co_await call.ticket.run(write);
    if (json_bytes) {
      response.type = "application/octet-stream";
      response.headers.emplace_back("Inference-Header-Content-Length", std::to_string(*json_bytes));
    }
    steps.next(stats.output_ns);
  } catch (...) {
    failure = std::current_exception();
  }
  steps.end(!failure, work.jobs.empty() ? 1 : std::int64_t(work.jobs.size()));
  if (failure) std::rethrow_exception(failure);
  co_return response;
}

constexpr Route kRoutes[] = {
    {"GET", "/v2", false, false, server},
    {"GET", "/v2/models/stats", false, false, stats},
    {"POST", "/v2/repository/index", false, false, repository},
    {"GET", "/v2/models/*", false, false, metadata},
    {"GET", "/v2/models/*/ready", false, false, model_ready},
    {"GET", "/v2/models/*/config", false, false, config},
    {"GET", "/v2/models/*/stats", false, false, stats},
    {"POST", "/v2/models/*/infer", false, true, infer},
    {"GET", "/v2/models/*/versions/*", false, false, metadata},
    {"GET", "/v2/models/*/versions/*/ready", false, false, model_ready},
    {"GET", "/v2/models/*/versions/*/config", false, false, config},
    {"GET", "/v2/models/*/versions/*/stats", false, false, stats},
    {"POST", "/v2/models/*/versions/*/infer", false, true, infer},
};

}  // namespace

std::span<const Route> kserve_routes() { return kRoutes; }

}  // namespace emo::serve
