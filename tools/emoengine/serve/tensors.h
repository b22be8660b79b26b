#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Bodies of KServe V2's inference requests: JSON, behind which tensors may follow in binary.
/// Source: Open Inference Protocol, with Triton's extension "binary_tensor_data".
namespace emo::serve {

struct InputTensor {
  std::string name, datatype;
  std::vector<std::int64_t> shape;
  std::vector<float> values;  ///< of an FP32 tensor
};

/// An output that was asked for by its name.
struct WantedOutput {
  std::string name;
  bool binary = false;
};

struct InferRequest {
  std::string id;  ///< to be repeated; empty: none
  std::vector<InputTensor> inputs;
  std::vector<WantedOutput> outputs;  ///< empty: all
  bool binary_outputs = false;        ///< when all are wanted

  /// Throws HttpError(400) naming it when it is missing, is not FP32 or has another shape: -1 in `shape` is any number of at
  /// least 1.
  const InputTensor& needed(const std::string& name, const std::vector<std::int64_t>& shape) const;
};

/// `json_bytes`: the header Inference-Header-Content-Length, if it came. Throws HttpError(400): no such JSON, sizes that do
/// not fit together, negative shapes, a name twice, data types that are not taken, shared memory.
InferRequest parse_infer(std::string_view body, std::optional<std::string> json_bytes);

struct OutputTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// The answer, and how many of its bytes are JSON if tensors follow. Throws HttpError(400) for a wanted output that there is
/// not.
std::string write_infer(const std::string& model, const InferRequest& request, const std::vector<OutputTensor>& outputs,
                        std::optional<std::size_t>& json_bytes);

/// Brings a body back that was sent as gzip or deflate (zlib). Throws HttpError(413) when it becomes larger than
/// limits::kMaxBodyBytes, HttpError(400) when it is damaged, HttpError(415) for another encoding.
std::string decompressed(std::string_view body, const std::string& encoding);

}  // namespace emo::serve
