#pragma once

#include <memory>
#include <vector>

#include "engine/backend/backend.h"
#include "tests/random_generator.h"
#include "tests/temp_dir.h"

namespace emo {

/// A network that a plain loop computes in milliseconds.
inline GeneratorConfig narrow(int conv_dim = 8, int res_blocks = 2, int side = 16) {
  GeneratorConfig config;
  config.conv_dim = conv_dim, config.res_blocks = res_blocks, config.image_size = side;
  return config;
}

/// A seeded generator in a file of its own.
struct Model {
  explicit Model(const GeneratorConfig& config, unsigned seed = 1) {
    write_random_generator(folder / "narrow.safetensors", config, seed);
    file = std::make_unique<ModelFile>(folder / "narrow.safetensors");
  }
#ifdef EMO_HAVE_CPU
  std::unique_ptr<Backend> open(Precision precision = Precision::kFp32, int threads = 2) const {
    return open_cpu_backend({file.get(), nullptr}, {BackendKind::kCpu, precision, threads});
  }
#endif
  TempDir folder;
  std::unique_ptr<ModelFile> file;
};

/// N faces with their AUs and room for every output.
struct Batch {
  Batch(int N, int side, unsigned seed = 7, int aus = 17)
      : shape{N, 3, side, side},
        au_count(aus),
        faces(random_values(shape.count(), seed)),
        aus(random_values(std::size_t(N) * aus, seed + 1, 0, 1)),
        out(faces.size()),
        mask(faces.size() / 3),
        colour(faces.size()) {}
  GenerateCall call() {
    const Shape one{shape.N, 1, shape.H, shape.W};
    return {{faces.data(), shape},
            {aus.data(), {shape.N, au_count, 1, 1}},
            {out.data(), shape},
            {mask.data(), one},
            {colour.data(), shape}};
  }
  Shape shape;
  int au_count;
  std::vector<float> faces, aus, out, mask, colour;
};

}  // namespace emo
