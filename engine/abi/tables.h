// The tables of the IR as types: opcodes, operands, parameter records, targets, choices, rules.
//
// Everything here is made from the *.def files beside it and is shared with the GPU: it compiles under NVRTC, includes
// nothing of the host, allocates nothing.
#pragma once

#include <stdint.h>

#include "abi/dtype.h"

namespace amk::abi {

// ---- buffers ------------------------------------------------------------------------------------------------------

/// What a buffer is for. Weights, constants and inputs are read-only; outputs and activations are written anew in
/// every pass; a KV cache carries its past positions from pass to pass.
enum class BufferKind : uint8_t { kWeight, kConst, kInput, kOutput, kActivation, kKvCache };
inline constexpr const char* kBufferKindNames[] = {"weight",    "const",      "io_input",
                                                   "io_output", "activation", "kv_cache"};
inline constexpr uint32_t kBufferKindCount = 6;

/// Which positions of a KV cache a range is about; kWhole for every other buffer. Ranges of a KV cache
/// [heads, context, head_dim] are bytes of the row image [heads, head_dim] of one position.
enum class Span : uint8_t { kWhole, kPast, kCurrent };
inline constexpr const char* kSpanNames[] = {"whole", "past", "current"};
inline constexpr uint32_t kSpanCount = 3;

inline constexpr uint32_t kMaxRank = 4;

/// Type and extents of a buffer, outermost first; extents beyond rank are 1.
struct Shape {
  Dtype dtype = Dtype::kF32;
  uint32_t rank = 0;
  uint64_t extent[kMaxRank] = {1, 1, 1, 1};

  constexpr bool operator==(const Shape&) const = default;
};

/// Elements of a shape; the caller has checked that it does not overflow.
constexpr uint64_t element_count(const Shape& shape) {
  return shape.extent[0] * shape.extent[1] * shape.extent[2] * shape.extent[3];
}
/// Bytes of a shape: whole rows where it is quantised, which then has rank 2.
constexpr uint64_t size_bytes(const Shape& shape) {
  if (is_quantised(shape.dtype)) return shape.extent[0] * row_bytes(shape.dtype, shape.extent[1]);
  return element_count(shape) * dtype_bytes(shape.dtype);
}

/// A half-open byte range [begin, end) of an operand.
struct Range {
  uint8_t operand = 0;  ///< index among the instruction's operands
  Span span = Span::kWhole;
  uint64_t begin = 0;
  uint64_t end = 0;

  constexpr bool operator==(const Range&) const = default;
};

// ---- instructions -------------------------------------------------------------------------------------------------

enum class Opcode : uint8_t {
#define AMK_OPCODE(Name, code, folder, Record, min_arch, doc) k##Name = code,
#include "abi/opcode.def"
};

enum class Access : uint8_t { kRead, kWrite };

namespace kinds {
constexpr uint32_t bit(BufferKind kind) { return 1U << static_cast<uint32_t>(kind); }
inline constexpr uint32_t kInput = bit(BufferKind::kInput);
inline constexpr uint32_t kWeight = bit(BufferKind::kWeight);
inline constexpr uint32_t kConst = bit(BufferKind::kConst);
inline constexpr uint32_t kActivation = bit(BufferKind::kActivation);
inline constexpr uint32_t kOutput = bit(BufferKind::kOutput);
inline constexpr uint32_t kKvCache = bit(BufferKind::kKvCache);
inline constexpr uint32_t kActivationOrOutput = kActivation | kOutput;
}  // namespace kinds

namespace dtypes {
constexpr uint32_t bit(Dtype dtype) { return 1U << static_cast<uint32_t>(dtype); }
inline constexpr uint32_t kFloat = bit(Dtype::kF32) | bit(Dtype::kF16) | bit(Dtype::kBf16);
inline constexpr uint32_t kQuantised = bit(Dtype::kI8G64) | bit(Dtype::kI8G128) | bit(Dtype::kI8Row) |
                                       bit(Dtype::kI4G64) | bit(Dtype::kI4G128) | bit(Dtype::kI4Row);
inline constexpr uint32_t kMatrix = kFloat | kQuantised;
inline constexpr uint32_t kFloat32 = bit(Dtype::kF32);
inline constexpr uint32_t kKvFloat = kFloat;
inline constexpr uint32_t kIndex = bit(Dtype::kU32);

constexpr bool quantised_is_complete() {
  for (uint32_t i = 0; i < kDtypeCount; ++i) {
    if (is_quantised(static_cast<Dtype>(i)) != ((kQuantised >> i & 1U) != 0)) return false;
  }
  return true;
}
static_assert(quantised_is_complete(), "kQuantised names every quantised dtype of dtype.def");
}  // namespace dtypes

struct OperandInfo {
  Opcode opcode;
  const char* name;
  Access access;
  uint32_t kinds;   ///< mask of kinds::bit
  uint32_t dtypes;  ///< mask of dtypes::bit
  uint32_t rank;
  const char* doc;
};

inline constexpr OperandInfo kOperands[] = {
#define AMK_OPERAND(Name, operand, access, operand_kinds, operand_dtypes, rank, doc) \
  {Opcode::k##Name, #operand, Access::k##access, kinds::k##operand_kinds, dtypes::k##operand_dtypes, rank, doc},
#include "abi/opcode.def"
};
inline constexpr uint32_t kOperandCount = sizeof(kOperands) / sizeof(kOperands[0]);

struct OpcodeInfo {
  Opcode opcode;
  const char* name;    ///< as in programs: the row's Name
  const char* folder;  ///< engine/instructions/<folder>
  const char* record;  ///< its parameter record
  uint32_t min_arch;
  const char* doc;
};

inline constexpr OpcodeInfo kOpcodes[] = {
#define AMK_OPCODE(Name, code, folder, Record, min_arch, doc) {Opcode::k##Name, #Name, #folder, #Record, min_arch, doc},
#include "abi/opcode.def"
};
inline constexpr uint32_t kOpcodeCount = sizeof(kOpcodes) / sizeof(kOpcodes[0]);

constexpr const OpcodeInfo& info(Opcode opcode) { return kOpcodes[static_cast<uint32_t>(opcode)]; }

namespace detail {
constexpr bool codes_are_dense() {
  for (uint32_t i = 0; i < kOpcodeCount; ++i) {
    if (static_cast<uint32_t>(kOpcodes[i].opcode) != i) return false;
  }
  return true;
}
struct OperandSpans {
  uint32_t first[kOpcodeCount + 1] = {};
};
constexpr OperandSpans operand_spans() {
  OperandSpans spans;
  uint32_t next = 0;
  for (uint32_t i = 0; i < kOpcodeCount; ++i) {
    spans.first[i] = next;
    while (next < kOperandCount && static_cast<uint32_t>(kOperands[next].opcode) == i) ++next;
  }
  spans.first[kOpcodeCount] = next;
  return spans;
}
inline constexpr OperandSpans kOperandSpans = operand_spans();
}  // namespace detail
static_assert(detail::codes_are_dense(), "opcode.def: rows stand in the order of their codes, without holes");
static_assert(detail::kOperandSpans.first[kOpcodeCount] == kOperandCount, "opcode.def: operands follow their opcode");

/// Operands of an opcode: how many, and the i-th.
constexpr uint32_t operand_count(Opcode opcode) {
  const uint32_t i = static_cast<uint32_t>(opcode);
  return detail::kOperandSpans.first[i + 1] - detail::kOperandSpans.first[i];
}
constexpr const OperandInfo& operand(Opcode opcode, uint32_t i) {
  return kOperands[detail::kOperandSpans.first[static_cast<uint32_t>(opcode)] + i];
}

inline constexpr uint32_t kMaxOperands = 10;
namespace detail {
constexpr bool operands_fit() {
  for (uint32_t i = 0; i < kOpcodeCount; ++i) {
    if (operand_count(static_cast<Opcode>(i)) > kMaxOperands) return false;
  }
  return true;
}
}  // namespace detail
static_assert(detail::operands_fit(), "raise kMaxOperands");

// ---- parameter records --------------------------------------------------------------------------------------------

#define AMK_RECORD(Record, doc) struct Record {
#define AMK_FIELD(Record, type, name, doc) type name = 0;
#define AMK_RECORD_END(Record)                              \
  constexpr bool operator==(const Record&) const = default; \
  }                                                         \
  ;
#include "abi/param.def"

#define AMK_RECORD(Record, doc) static_assert(__is_trivially_copyable(Record) && sizeof(Record) <= 32);
#include "abi/param.def"

// ---- choices ------------------------------------------------------------------------------------------------------

#define AMK_CHOICE(Type) enum class Type : uint8_t {
#define AMK_CHOICE_VALUE(Type, name, text, doc) name,
#define AMK_CHOICE_END(Type) \
  }                          \
  ;
#include "abi/choice.def"

struct ChoiceInfo {
  const char* name;
  const char* doc;
};
#define AMK_CHOICE(Type) inline constexpr ChoiceInfo k##Type##Values[] = {
#define AMK_CHOICE_VALUE(Type, name, text, doc) {text, doc},
#define AMK_CHOICE_END(Type) \
  }                          \
  ;
#include "abi/choice.def"

// ---- model-graph operations and their fusions -----------------------------------------------------------------------

enum class GraphOp : uint8_t {
#define AMK_OP(Op, text, doc) Op,
#include "abi/fusion.def"
};
struct GraphOpInfo {
  const char* name;
  const char* doc;
};
inline constexpr GraphOpInfo kGraphOps[] = {
#define AMK_OP(Op, text, doc) {text, doc},
#include "abi/fusion.def"
};
inline constexpr uint32_t kGraphOpCount = sizeof(kGraphOps) / sizeof(kGraphOps[0]);

struct FusionInfo {
  Opcode opcode;
  const char* ops;  ///< op names, comma-separated, in model order
  const char* doc;
};
inline constexpr FusionInfo kFusions[] = {
#define AMK_FUSION(Opcode_, ops, doc) {Opcode::k##Opcode_, ops, doc},
#include "abi/fusion.def"
};
inline constexpr uint32_t kFusionCount = sizeof(kFusions) / sizeof(kFusions[0]);

// ---- targets ------------------------------------------------------------------------------------------------------

struct TargetInfo {
  const char* name;
  uint32_t sm;  ///< compute capability x 10
  uint32_t sms;
  uint32_t memory_gb;       ///< 10^9 bytes
  uint32_t bandwidth_gbps;  ///< peak, 10^9 bytes/s
  uint32_t l2_mb;
  uint32_t smem_sm_kb;     ///< KiB an SM
  uint32_t smem_block_kb;  ///< KiB a block may opt in to
  uint32_t threads_sm;
  const char* title;
};
inline constexpr TargetInfo kTargets[] = {
#define AMK_TARGET(...) {__VA_ARGS__},
#include "abi/target.def"
};
inline constexpr uint32_t kTargetCount = sizeof(kTargets) / sizeof(kTargets[0]);

/// Lowest architecture that has a stream back end.
constexpr uint32_t min_arch(StreamBackend backend) {
  switch (backend) {
    case StreamBackend::kBulk:
      return 90;
    case StreamBackend::kCpAsync:
      return 80;
    case StreamBackend::kPlain:
      return 75;
  }
  return ~0U;
}

/// Lowest architecture that can compute products so.
constexpr uint32_t min_arch(Products products) { return products == Products::kTensorCores ? 80 : 75; }

// ---- rules --------------------------------------------------------------------------------------------------------

enum class RuleFamily : uint8_t { kWellFormed, kCovered, kProgress, kHazard, kLaunch };
inline constexpr const char* kRuleFamilyNames[] = {"well-formed", "covered", "progress", "hazard", "launchable"};

enum class Rule : uint8_t {
#define AMK_RULE(name, family, id, doc, mend) name,
#include "abi/rule.def"
};
struct RuleInfo {
  Rule rule;
  RuleFamily family;
  const char* id;
  const char* doc;
  const char* mend;
};
inline constexpr RuleInfo kRules[] = {
#define AMK_RULE(name, family, id, doc, mend) {Rule::name, RuleFamily::k##family, id, doc, mend},
#include "abi/rule.def"
};
inline constexpr uint32_t kRuleCount = sizeof(kRules) / sizeof(kRules[0]);
constexpr const RuleInfo& info(Rule rule) { return kRules[static_cast<uint32_t>(rule)]; }

}  // namespace amk::abi
