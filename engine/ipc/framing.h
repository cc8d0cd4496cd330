// Frames of JSON on a pipe: 4 bytes of length, little-endian, then that many bytes of UTF-8 JSON, the last a line feed:
// what forwards streams by the line (srun does) would otherwise keep the end of a frame to itself.
//
// Owns reading and writing of whole frames: partial reads and writes, interrupted calls, deadlines and ends of stream.
// It never decides what a frame means. Descriptors may block or not; a write meets its deadline for sure only on one
// that does not (O_NONBLOCK).
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace amk::ipc {

using Json = nlohmann::ordered_json;

inline constexpr uint32_t kFrameBytesMax = 256U << 20U;
/// Nesting beyond which a frame is refused.
inline constexpr int kFrameDepthMax = 64;

using Clock = std::chrono::steady_clock;
/// None: for as long as it takes.
using Deadline = std::optional<Clock::time_point>;

enum class FrameStatus {
  kDone,      ///< a whole frame was read or written
  kEnd,       ///< read: the stream ended between two frames. write: nobody reads any more
  kDeadline,  ///< the deadline passed; the stream may stand within a frame, and is of no more use
  kBroken,    ///< what came is no frame, or the system refused; of no more use either
  kTooLarge,  ///< write: above kFrameBytesMax; nothing was written
};

struct FrameResult {
  FrameStatus status = FrameStatus::kDone;
  Json json;            ///< what was read
  std::string problem;  ///< kBroken, kTooLarge: expected and found
};

[[nodiscard]] FrameResult read_frame(int fd, const Deadline& deadline = std::nullopt);

/// Invalid UTF-8 in strings becomes U+FFFD, a NaN or an infinity null. Raises no SIGPIPE.
[[nodiscard]] FrameResult write_frame(int fd, const Json& json, const Deadline& deadline = std::nullopt);

}  // namespace amk::ipc
