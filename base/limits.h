#pragma once

#include <cstddef>
#include <cstdint>

/// Every cap in one place. Those with a flag are only the flag's default.
namespace emo::limits {

inline constexpr double kMaxMegapixels = 50;     ///< --max-megapixels
inline constexpr int kMaxImageSide = 16'384;     ///< --max-image-side; libvips once let a 65494x5 PNG past a pixel cap
inline constexpr double kMaxAudioSeconds = 600;  ///< --max-audio-s
inline constexpr int kMinSampleRateHz = 1'000;
inline constexpr int kMaxSampleRateHz = 768'000;
inline constexpr int kMaxAudioChannels = 64;
inline constexpr std::uint64_t kMaxPipeBytes = 1u << 30;  ///< of an input through a pipe, which is held in memory
inline constexpr double kMinFps = 0.01, kMaxFps = 240;    ///< of a video that is written
inline constexpr double kMaxSmoothSeconds = 10, kMaxEaseSeconds = 10;  ///< of its AUs
inline constexpr double kMaxLips = 2;                                  ///< times the lips of people
inline constexpr int kMaxPasses = 8;        ///< of the generator over a face; after three there is little left of one
inline constexpr float kMaxSample = 1e12f;  ///< beyond it the power spectrum of the longest window could overflow fp32
inline constexpr std::size_t kMaxTensors = 4'096;                 ///< --max-tensors; per weight file or checkpoint
inline constexpr std::uint64_t kMaxHeaderBytes = 1u << 20;        ///< of a weight file; the format itself allows 100 MB
inline constexpr std::uint64_t kMaxCheckpointBytes = 4ull << 30;  ///< of a PyTorch checkpoint
inline constexpr std::size_t kMaxPickleOperations = 1u << 20;     ///< of a checkpoint; 4,096 tensors take some 200,000
inline constexpr int kMaxCheckpointDepth = 16;                    ///< dictionaries in dictionaries
inline constexpr std::size_t kMaxNameBytes = 1'024;  ///< of a checkpoint's key, the dictionaries around it included
inline constexpr int kMaxRank = 8;                   ///< dimensions of a tensor
inline constexpr int kMaxJsonDepth = 32;
inline constexpr int kMaxBatch = 1'024;  ///< faces
inline constexpr int kMaxBatchWaitUs = 1'000'000;
inline constexpr int kMaxQueue = 1'000'000;  ///< faces
inline constexpr int kMaxContexts = 64;      ///< each has memory, and may have a thread

inline constexpr int kMinGeneratorSide = 8;  ///< two halvings leave 2x2, the least that has a variance
inline constexpr int kMaxGeneratorSide = 1'024;
inline constexpr int kMaxConvDim = 512;
inline constexpr int kMaxResBlocks = 64;
inline constexpr int kMinReaderSide = 8, kMaxReaderSide = 512;
inline constexpr int kMaxFaceTriangles = 4096;
inline constexpr int kMaxReaderLayers = 32, kMaxReaderChannels = 512;
inline constexpr int kMaxAus = 64;
inline constexpr int kMaxLstmHidden = 4'096;
inline constexpr int kMaxCudaLstmHidden = 512;  ///< whose weights fill the registers of 22 multiprocessors
inline constexpr int kMaxLstmLayers = 8;
inline constexpr int kMaxFft = 16'384;
inline constexpr int kMaxMels = 512;

}  // namespace emo::limits
