// What the host decided for this build of the kernel. Every macro is set by the host; none has a default, but for those
// with which tests break the kernel on purpose.
#pragma once

#include "instructions/device/records.h"

namespace amk::device::build {

inline constexpr uint32_t kThreads = AMK_THREADS;
inline constexpr uint32_t kWarps = consumer_warps(kThreads);
inline constexpr uint32_t kStages = AMK_STAGES;
inline constexpr uint32_t kStageBytes = AMK_STAGE_BYTES;
inline constexpr uint32_t kCopiesInFlight = AMK_COPIES_IN_FLIGHT;
inline constexpr uint32_t kActivationBytes = AMK_ACTIVATION_BYTES;
inline constexpr auto kBackend = static_cast<abi::StreamBackend>(AMK_STREAM_BACKEND);
inline constexpr auto kProducts = static_cast<Products>(AMK_PRODUCTS);
/// Whether activations travel as packets; otherwise as plain words behind counters.
inline constexpr bool kPackets = AMK_PACKETS != 0;
inline constexpr bool kTrace = AMK_TRACE != 0;
inline constexpr uint32_t kColumnsMax = AMK_COLUMNS_MAX;  ///< of any product's input
inline constexpr uint32_t kHeadDim = AMK_HEAD_DIM;
inline constexpr uint32_t kGroup = AMK_GROUP;  ///< query heads a key-value head
inline constexpr auto kKvDtype = static_cast<abi::Dtype>(AMK_KV_DTYPE);

constexpr bool uses(abi::Opcode opcode) { return ((AMK_OPCODES >> static_cast<uint32_t>(opcode)) & 1U) != 0; }
constexpr bool uses(WeightFormat format) { return ((AMK_FORMATS >> static_cast<uint32_t>(format)) & 1U) != 0; }

inline constexpr bool kBulk = kBackend == abi::StreamBackend::kBulk;
inline constexpr bool kAsync = kBackend == abi::StreamBackend::kCpAsync;
inline constexpr ControlLayout kControl = control_layout(kWarps);

/// The build knobs of instruction_knob.def: knob::gemv_pairs_ahead and so on.
namespace knob {
#define AMK_BUILD_KNOB(field, folder, name, default_value, min, max, step, unit, doc) \
  inline constexpr uint32_t field = AMK_KNOB_##field;                                 \
  static_assert(field >= min && field <= max && field % step == 0);
#include "abi/instruction_knob.def"
}  // namespace knob

/// Tags and counters go out well before what they announce, as if the fence between were dropped.
#ifdef AMK_DROP_FENCE
inline constexpr bool kFenceDropped = true;
#else
inline constexpr bool kFenceDropped = false;
#endif
/// A task that begins late, and by how much.
#ifdef AMK_LATE_TASK
inline constexpr bool kLate = true;
inline constexpr uint32_t kLateTask = AMK_LATE_TASK;
inline constexpr uint64_t kLateNs = AMK_LATE_NS;
#else
inline constexpr bool kLate = false;
inline constexpr uint32_t kLateTask = ~0U;
inline constexpr uint64_t kLateNs = 0;
#endif

}  // namespace amk::device::build
