#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "tests/close.h"
#include "tests/temp_dir.h"
#include "weights/convert.h"
#include "weights/safetensors.h"

namespace emo {

/// A checkpoint of tests/golden/ in one of the public layouts, converted, and what PyTorch's fp64 forward pass gives for two
/// faces (make_checkpoints.py).
class GoldenGenerator {
 public:
  explicit GoldenGenerator(const std::string& layout) : golden_(folder() / ("generator_" + layout + ".safetensors")) {
    convert(folder() / "checkpoints" / (layout + ".pth"), dir_ / "g.safetensors", {});
    model_ = std::make_unique<const ModelFile>(dir_ / "g.safetensors");
  }
  const ModelFile& model() const { return *model_; }
  std::vector<float> floats(const std::string& name) const { return golden_.floats(name, golden_.at(name).shape); }

  struct Answer {
    std::vector<float> out, mask, colour;
  };
  /// What `generator`, a Backend or a part of one, gives for the faces.
  template <typename Generator>
  Answer of(const Generator& generator) const {
    const auto faces = floats("face"), aus = floats("au");
    const Shape shape = shape_of("face"), mask{shape.N, 1, shape.H, shape.W};
    Answer answer{std::vector<float>(shape.count()), std::vector<float>(mask.count()), std::vector<float>(shape.count())};
    generator.generate({.faces = {faces.data(), shape},
                        .aus = {aus.data(), shape_of("au")},
                        .out = {answer.out.data(), shape},
                        .mask = {answer.mask.data(), mask},
                        .colour = {answer.colour.data(), shape}});
    return answer;
  }
  void expect_golden(const Answer& answer) const {
    // PyTorch's own fp32 forward pass of the full network differs by 1.4e-5 from its fp64 one.
    expect_close(answer.out, floats("out"), 1e-4);
    expect_close(answer.mask, floats("mask"), 1e-4);
    expect_close(answer.colour, floats("colour"), 1e-4);
  }

 private:
  static std::filesystem::path folder() { return EMO_SOURCE_DIR "/tests/golden"; }
  Shape shape_of(const std::string& name) const {
    const auto& s = golden_.at(name).shape;
    return {int(s.at(0)), int(s.at(1)), s.size() > 2 ? int(s[2]) : 1, s.size() > 3 ? int(s[3]) : 1};
  }

  const TempDir dir_;
  const SafeTensors golden_;
  std::unique_ptr<const ModelFile> model_;
};

}  // namespace emo
