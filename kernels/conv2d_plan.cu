#include <algorithm>

#include "kernels/conv2d_cut.h"
#include "kernels/launch.h"
#include "kernels/tensor_map.h"

namespace emo {
namespace {

/// The fastest that was measured for a shape, on a card with so many multiprocessors.
struct MeasuredPlan {
  int multiprocessors = 0;
  MathType math{};
  bool wgmma = false;
  ConvShape shape;
  int tile = 0, splits = 1;
};

constexpr MeasuredPlan kMeasured[] = {
#include "kernels/conv2d_measured.inc"
    {}  // fits no card
};

int blocks_of(const ConvShape& s, int BM, int BN) {
  const dim3 grid = grid_of(s, BM, BN);
  return int(grid.x * grid.y);
}

ConvPlan wgmma_plan(const ConvShape& s, int multiprocessors) {
  if (s.C_out <= 32) return {4, 1, true};
  // Three quarters: 8 images of 32 x 32 x 256 make 128 blocks for 132 multiprocessors.
  const bool fills = 4 * blocks_of(s, WgmmaTile::BM, 128) >= 3 * multiprocessors;
  if (s.C_out <= 64 || !fills) return {3, 1, true};
  return {fits_cluster(s, kWgmmaTiles[0]) ? 0 : fits_cluster(s, kWgmmaTiles[1]) ? 1 : 2, 1, true};
}

ConvPlan mma_plan(MathType math, const ConvShape& s, int multiprocessors) {
  const auto blocks = [&](int tile) { return blocks_of(s, kConvTiles[tile].BM, kConvTiles[tile].BN); };
  if (s.C_out <= 32) return {3, 1};
  if (s.C_out > 64 && blocks(0) >= multiprocessors) return {0, 1};
  if (blocks(1) >= multiprocessors) return {1, 1};
  // Splits write and read their sums once more: where nearly all multiprocessors have a block they cost more than they
  // gain. Else three such blocks fit onto a multiprocessor; two leave the scheduler a choice.
  if (4 * blocks(2) >= 3 * multiprocessors) return {2, 1};
  return {2, std::clamp(2 * multiprocessors / std::max(blocks(2), 1), 1, chunks_of(math, s))};
}

void check_wgmma(MathType math, const ConvShape& s, const ConvPlan& plan) {
  EMO_CHECK(takes_wgmma(math, s), "conv2d: wgmma cannot take ", name_of(math), " of ", s.in(), " to ", s.out(),
            "; fp16 or bf16, channels in by 64, a stride of 1 or 2 that divides the picture, and "
            "rows of a multiple or a divisor of 64 pixels are needed");
  EMO_CHECK(plan.splits == 1, "conv2d: wgmma in ", plan.splits, " splits; only 1 is there");
  const WgmmaTile& t = kWgmmaTiles[plan.tile];
  EMO_CHECK(fits_cluster(s, t), "conv2d: a plane of ", ceil_div(s.pixels(), t.BM), " x ", ceil_div(s.C_out, t.BN),
            " tiles for clusters of ", t.cluster_m, " x ", t.cluster_n, "; multiples are needed");
  EMO_CHECK(has_wgmma(),
            "conv2d: no wgmma here; compute capability 9.0, a driver of CUDA 12 and a build for sm_90a are "
            "needed");
}

}  // namespace

const char* name_of(MathType math) {
  switch (math) {
    case MathType::kF16: return "fp16";
    case MathType::kBF16: return "bf16";
    case MathType::kTF32: return "tf32";
    case MathType::kFP32: return "fp32";
  }
  return "?";
}

bool has_wgmma() {
#if defined(EMO_SIMT) || defined(EMO_BUILT_FOR_SM90A)
  int device = 0, major = 0;
  const bool known = cudaGetDevice(&device) == cudaSuccess &&
                     cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess;
  cudaGetLastError();  // no device is an answer
  return known && major == 9 && tensor_map_encoder();
#else
  return false;
#endif
}

bool takes_wgmma(MathType math, const ConvShape& s) {
  const int columns = s.transposed ? s.W : s.W_out(), S = s.transposed ? 1 : s.S;
  const bool box = columns > 0 && (columns % WgmmaTile::kStrip == 0 || WgmmaTile::kStrip % columns == 0);
  return operand_bytes(math) == 2 && s.C_in % (kStepBytes / 2) == 0 && S <= 2 && s.H % S == 0 && s.W % S == 0 && box;
}

ConvPlan counted_plan(MathType math, const ConvShape& shape, int multiprocessors, bool wgmma) {
  wgmma = wgmma && takes_wgmma(math, shape);
  return wgmma ? wgmma_plan(shape, multiprocessors) : mma_plan(math, shape, multiprocessors);
}

ConvPlan conv2d_plan(MathType math, const ConvShape& shape, int multiprocessors, bool wgmma) {
  wgmma = wgmma && takes_wgmma(math, shape);
  for (const MeasuredPlan& m : kMeasured) {
    if (m.multiprocessors == multiprocessors && m.math == math && m.wgmma == wgmma && m.shape == shape) {
      return {m.tile, m.splits, wgmma};
    }
  }
  return counted_plan(math, shape, multiprocessors, wgmma);
}

ConvWorkspaceSize conv2d_workspace(MathType math, const ConvShape& shape, const ConvPlan& plan) {
  if (plan.splits == 1) return {};
  const ConvTile& t = kConvTiles[plan.tile];
  const std::size_t tiles = std::size_t(blocks_of(shape, t.BM, t.BN));
  return {tiles * chunks_of(math, shape) * t.BM * t.BN, tiles};
}

void check_conv2d(MathType math, const ConvShape& s, const ConvPlan& plan, const ConvEpilogue& epilogue,
                  const ConvWorkspace& workspace) {
  EMO_CHECK(s.C_in % kChannelAlign == 0 && s.C_out % kChannelAlign == 0 && s.C_in > 0 && s.C_out > 0, "conv2d: ", s.C_in,
            " channels in and ", s.C_out, " out; multiples of ", kChannelAlign, " are needed, see padded_channels()");
  if (s.transposed) {
    EMO_CHECK(s.KH == 4 && s.KW == 4 && s.S == 2 && s.PH == 1 && s.PW == 1, "conv2d: a transposed convolution of ", s.KH,
              "x", s.KW, ", stride ", s.S, ", padding ", s.PH, ",", s.PW, "; only 4x4, stride 2, padding 1 is there");
    EMO_CHECK(s.H > 0 && s.W > 0, "conv2d: a picture of ", s.H, "x", s.W, " has no pixels");
  } else {
    EMO_CHECK(s.KH > 0 && s.KW > 0 && s.S > 0 && s.PH >= 0 && s.PW >= 0 && s.H + 2 * s.PH >= s.KH && s.W + 2 * s.PW >= s.KW,
              "conv2d: ", s.KH, "x", s.KW, " taps do not fit into ", s.H, "x", s.W, " pixels padded by ", s.PH, ",", s.PW);
  }
  EMO_CHECK(s.in().count() / std::max(s.N, 1) < (1u << 31) && s.out().count() / std::max(s.N, 1) < (1u << 31),
            "conv2d: ", s.in(), " to ", s.out(), "; an image of less than 2^31 values is needed");
  const int tiles = plan.wgmma ? kWgmmaTileCount : kConvTileCount;
  EMO_CHECK(plan.tile >= 0 && plan.tile < tiles, "conv2d: there is no tile ", plan.tile, "; there are ", tiles);
  EMO_CHECK(plan.splits >= 1 && plan.splits <= chunks_of(math, s), "conv2d: ", plan.splits, " splits of ",
            chunks_of(math, s), " chunks");
  EMO_CHECK(plan.splits == 1 || (workspace.sums && workspace.counters), "conv2d: ", plan.splits,
            " splits need a workspace, see conv2d_workspace()");
  const int B = epilogue.border;
  EMO_CHECK(B >= 0 && (B == 0 || (epilogue.bias && s.H_out() >= 2 * B && s.W_out() >= 2 * B)), "conv2d: border classes of ",
            B, " pixels need a bias and an output of at least ", 2 * B, "x", 2 * B, ", not ", s.H_out(), "x", s.W_out());
  if (plan.wgmma) check_wgmma(math, s, plan);
}

}  // namespace emo
