#include "vm/cuda/kernel_build.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "schedule/task_cost.h"
#include "vm/cuda/kernel_sources.h"

namespace amk::vm::cuda {
namespace {

/// A value that all tasks or buffers of a program must share.
class Shared {
 public:
  explicit Shared(const char* what) : what_(what) {}
  Status take(uint32_t value) {
    if (!known_) value_ = value;
    known_ = true;
    if (value_ == value) return {};
    return Error{ErrorCode::kUnsupported,
                 fmt::format("expected one {} in a program, found {} and {}", what_, value_, value), "", ""};
  }
  [[nodiscard]] uint32_t value_or(uint32_t otherwise) const { return known_ ? value_ : otherwise; }

 private:
  const char* what_;
  bool known_ = false;
  uint32_t value_ = 0;
};

}  // namespace

BuildKnobs build_knobs(const schedule::ScheduleConfig& config) {
  return {
#define AMK_BUILD_KNOB(field, ...) config.field,
#include "abi/instruction_knob.def"
  };
}

Result<KernelSpec> kernel_spec(const schedule::Program& program) {
  KernelSpec spec;
  spec.launch = program.launch;
  spec.knobs = build_knobs(program.config);
  Shared head_dim("head size"), group("number of query heads a key-value head"), kv_dtype("dtype of KV caches");
  for (const schedule::Task& task : program.tasks) {
    spec.opcodes |= 1U << static_cast<uint32_t>(task.opcode);
    spec.columns_max = std::max(spec.columns_max, schedule::input_columns(task, program));
    for (uint32_t i = 0; i < task.operands.size(); ++i) {
      const abi::Shape& shape = program.buffer(task.operands[i]).shape;
      if (abi::operand(task.opcode, i).rank == 2)
        spec.formats |= 1U << static_cast<uint32_t>(device::weight_format(shape.dtype));
      if (program.buffer(task.operands[i]).kind != abi::BufferKind::kKvCache) continue;
      spec.caches = true;
      AMK_TRY(kv_dtype.take(static_cast<uint32_t>(shape.dtype)));
      AMK_TRY(head_dim.take(static_cast<uint32_t>(shape.extent[2])));
    }
    if (const auto* attention = std::get_if<abi::AttentionParams>(&task.params)) {
      AMK_TRY(group.take(attention->group));
      if (attention->head_dim % 2 != 0) {
        return Error{ErrorCode::kUnsupported,
                     fmt::format("expected heads of an even number of elements, found {}", attention->head_dim), "",
                     ""};
      }
      if (attention->kv_block % device::kCachePositions != 0) {
        return Error{ErrorCode::kUnsupported,
                     fmt::format("expected blocks of a multiple of {} positions, found {}", device::kCachePositions,
                                 attention->kv_block),
                     "", "change tiling.attention.kv_block"};
      }
      // The kernel multiplies the two as 32-bit numbers.
      const uint64_t blocks = ceil_div(program.meta.context, attention->kv_block);
      if (blocks * attention->splits > UINT32_MAX) {
        return Error{ErrorCode::kUnsupported,
                     fmt::format("expected blocks of positions times splits below 2^32, found {} times {}", blocks,
                                 attention->splits),
                     "", "raise tiling.attention.kv_block"};
      }
    }
  }
  spec.head_dim = head_dim.value_or(2);
  spec.group = group.value_or(1);
  spec.kv_dtype = static_cast<abi::Dtype>(kv_dtype.value_or(static_cast<uint32_t>(abi::Dtype::kF32)));
  return spec;
}

Result<KernelSpec> spec_of_whole(const KernelSpec& part, const KernelSpec& whole) {
  const auto lacks = [](const std::string& what) {
    return Error{ErrorCode::kUsage, "expected the build of a program that has this one as a part, found " + what, "",
                 ""};
  };
  if (!(whole.launch == part.launch)) return lacks("another launch");
  if (whole.knobs != part.knobs) return lacks("other build knobs");
  if ((part.opcodes & ~whole.opcodes) != 0) return lacks(fmt::format("opcodes {:#x}", whole.opcodes));
  if ((part.formats & ~whole.formats) != 0) return lacks(fmt::format("weight formats {:#x}", whole.formats));
  if (whole.columns_max < part.columns_max) return lacks(fmt::format("inputs of {} columns", whole.columns_max));
  const uint32_t attends = 1U << static_cast<uint32_t>(abi::Opcode::kAttention) |
                           1U << static_cast<uint32_t>(abi::Opcode::kAttentionCombine);
  const bool caches = part.caches;
  if (caches && (part.head_dim != whole.head_dim || part.kv_dtype != whole.kv_dtype)) return lacks("other KV caches");
  if ((part.opcodes & attends) != 0 && part.group != whole.group) return lacks("other groups of heads");
  return whole;
}

CompileRequest compile_request(const KernelSpec& spec, uint32_t sm) {
  CompileRequest request;
  request.main = "vm/cuda/megakernel.cu";
  request.files.assign(kernel_sources().begin(), kernel_sources().end());
  request.sm = sm;
  const auto define = [&](const char* name, uint64_t value) {
    request.defines.push_back(fmt::format("AMK_{}={}u", name, value));
  };
  define("THREADS", spec.launch.threads_per_block);
  define("STAGES", spec.launch.stages);
  define("STAGE_BYTES", spec.launch.stage_bytes);
  define("COPIES_IN_FLIGHT", spec.launch.copies_in_flight);
  define("ACTIVATION_BYTES", spec.launch.activation_bytes);
  define("STREAM_BACKEND", static_cast<uint64_t>(spec.launch.stream_backend));
  define("PRODUCTS", static_cast<uint64_t>(spec.launch.products));
  define("PACKETS", spec.launch.sync_protocol == abi::SyncProtocol::kPackets ? 1 : 0);
  define("TRACE", spec.trace ? 1 : 0);
  define("COLUMNS_MAX", spec.columns_max);
  define("HEAD_DIM", spec.head_dim);
  define("GROUP", spec.group);
  define("KV_DTYPE", static_cast<uint64_t>(spec.kv_dtype));
  define("OPCODES", spec.opcodes);
  define("FORMATS", spec.formats);
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs)
    define(knob.macro, spec.knobs[static_cast<size_t>(knob.knob)]);
  for (const std::string& extra : spec.extra_defines) request.defines.push_back(extra);
  return request;
}

}  // namespace amk::vm::cuda
