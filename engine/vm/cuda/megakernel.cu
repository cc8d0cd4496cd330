// The megakernel: one block an SM, each runs its queue; a producer warp streams weights, the others compute.
//
// Compiled by NVRTC for one device and one program's needs (instructions/device/build.cuh): only the instructions,
// formats and back end that the program uses are in it. It decides nothing: tasks, order, waits and addresses are the
// program's.
#include "instructions/argmax/argmax.cuh"
#include "instructions/attention/attention.cuh"
#include "instructions/combine/combine.cuh"
#include "instructions/device/produce.cuh"
#include "instructions/device/product_task.cuh"
#include "instructions/embed/embed.cuh"
#include "instructions/kv_append/kv_append.cuh"
#include "instructions/residual_add/residual_add.cuh"
#include "instructions/rms_norm/rms_norm.cuh"
#include "instructions/rope/rope.cuh"
#include "instructions/silu_mul/silu_mul.cuh"

namespace amk::device {

/// Waits until every counter that the task names has counted its producers; what they wrote is then visible to all.
__device__ __forceinline__ void wait_for_counters(const Block& block, const TaskRecord& task) {
  if (block.warp == 0) {
#pragma unroll 1
    for (uint32_t i = block.lane; i < task.wait_count; i += 32) {
      const WaitRecord wait =
          i < kWaitsInRecord ? task.waits[i] : Block::args().waits[task.wait_overflow + i - kWaitsInRecord];
      const uint32_t* counter = Block::args().counters + static_cast<uint64_t>(wait.counter) * kCounterStride;
      const uint32_t target = block.turn.epoch * wait.producers;
      wait_until(FaultKind::kCounter, block.task, wait.counter, target, [&](uint32_t& seen) {
        seen = load_acquire(counter);
        return reached(seen, target);
      });
    }
  }
  consumer_barrier();
}

/// The instructions that do not multiply, each a function of its own, so that their registers are no burden to the
/// products; they are given what fits in registers and find the rest in shared memory.
template <Opcode kOp>
__device__ __noinline__ void run_other(Turn turn, uint32_t slot) {
  Block block(turn);
  const TaskRecord& task = Block::records()[slot];
  block.task = task.task;
  if constexpr (kOp == Opcode::kEmbed) {
    with_format(task.format, [&]<WeightFormat kFormat>() { run_embed<kFormat>(block, task); });
  } else if constexpr (kOp == Opcode::kRmsNorm) {
    run_rms_norm(block, task);
  } else if constexpr (kOp == Opcode::kRope) {
    run_rope(block, task);
  } else if constexpr (kOp == Opcode::kKvAppend) {
    run_kv_append(block, task);
  } else if constexpr (kOp == Opcode::kCombine) {
    run_combine(block, task);
  } else if constexpr (kOp == Opcode::kResidualAdd) {
    run_residual_add(block, task);
  } else if constexpr (kOp == Opcode::kSiluMul) {
    run_silu_mul(block, task);
  } else if constexpr (kOp == Opcode::kArgmax) {
    run_argmax(block, task);
  } else {
    static_assert(kOp == Opcode::kArgmaxCombine);
    run_argmax_combine(block, task);
  }
}

/// As run_other(), for what takes stages of the ring: the ring's cursor goes in and out.
__device__ __noinline__ Cursor<kStages> run_attention_task(Turn turn, uint32_t slot, uint32_t place,
                                                           Cursor<kStages> ring) {
  Block block(turn);
  const TaskRecord& task = Block::records()[slot];
  block.task = task.task;
  return run_attention(block, task, ring, place);
}

__device__ __forceinline__ void run_other(const Turn& turn, Opcode opcode, uint32_t slot) {
  switch (opcode) {
#define AMK_OPCODE(Name, code, folder, Record, min_arch, doc)                                                  \
  case Opcode::k##Name:                                                                                        \
    if constexpr (!is_product(Opcode::k##Name) && !attends(Opcode::k##Name) && build::uses(Opcode::k##Name)) { \
      run_other<Opcode::k##Name>(turn, slot);                                                                  \
    }                                                                                                          \
    break;
#include "abi/opcode.def"
  }
}

/// Waits until every block has finished the passes of this launch before this one.
__device__ __forceinline__ void begin_pass(Block& block) {
  const LaunchArguments& args = Block::args();
  block.turn.epoch = args.epoch + block.turn.pass + 1;
  block.turn.position = args.position + block.turn.pass;
  block.turn.token = args.token;
  if (block.turn.pass == 0) return;
  if (block.thread == 0) await_passes_before(block.turn.pass, block.task);
  consumer_barrier();
  block.turn.token = load_l2(args.next_token);
}

/// What a test breaks in this build, before a task runs; whether that signalled for it.
__device__ __forceinline__ bool break_on_purpose(const Block& block, const TaskRecord& task) {
  if constexpr (build::kLate) {
    if (task.task == build::kLateTask) {
      for (const uint64_t end = global_time() + build::kLateNs; global_time() < end;) __nanosleep(1000);
    }
  }
  if constexpr (build::kFenceDropped) {
    if (task.signal != kNoSignal && block.thread == 0)
      add_release(Block::args().counters + static_cast<uint64_t>(task.signal) * kCounterStride, 1);
    __nanosleep(20000);
  }
  return build::kFenceDropped;
}

/// The consumers' whole life.
__device__ __forceinline__ void consume(Block& block, uint32_t queue_begin, uint32_t queue_end) {
  const RecordSlots slots = record_slots();
  Cursor<kRecordSlots> at;
  Progress progress;
  for (; block.turn.pass < Block::args().passes; ++block.turn.pass) {
    begin_pass(block);
    Opcode before = Opcode::kEmbed;
    WeightFormat format_before = WeightFormat::kF32;
#pragma unroll 1
    for (uint32_t i = queue_begin; i < queue_end; ++i) {
      slots.wait_full(block, at);
      const TaskRecord& task = Block::records()[at.slot];
      block.task = task.task;
      stamp(block, &TraceRecord::begin, i);
      const bool product = is_product(task.opcode);
      if (task.wait_count > 0) {
        wait_for_counters(block, task);
      } else if (!product || !is_product(before) || task.format != format_before) {
        consumer_barrier();  // another use of the block's shared memory begins
      }
      stamp(block, &TraceRecord::ready, i);
      const bool signalled = break_on_purpose(block, task);
      if (product) {
        with_format(task.format, [&]<WeightFormat kFormat>() { run_product<kFormat>(block, progress, task, i); });
      } else {
        if (kAttends && attends(task.opcode)) {
          progress.ring = run_attention_task(block.turn, at.slot, i, progress.ring);
        } else {
          run_other(block.turn, task.opcode, at.slot);
        }
        stamp(block, &TraceRecord::done, i);
      }
      const uint32_t signal = signalled ? kNoSignal : task.signal;
      before = task.opcode;
      format_before = task.format;
      if (signal != kNoSignal) {
        consumer_barrier();
        if (block.thread == 0) add_release(Block::args().counters + static_cast<uint64_t>(signal) * kCounterStride, 1);
      }
      stamp(block, &TraceRecord::published, i);
      slots.release(block, at);
      at.advance();
    }
    consumer_barrier();
    if (block.thread == 0) add_release(Block::args().pass_counter, 1);
  }
}

}  // namespace amk::device

extern "C" __global__ void __launch_bounds__(AMK_THREADS, 1)
    amk_megakernel(const __grid_constant__ amk::device::LaunchArguments arguments) {
  using namespace amk::device;
  Block block{Turn{}};
  if (block.thread == 0) {
    Block::args() = arguments;
    stage_slots().init();
    record_slots().init();
    Block::start_time() = global_time();
#if __CUDA_ARCH__ >= 900
    if constexpr (build::kBulk) publish_barriers();
#endif
  }
  __syncthreads();
  const uint32_t begin = arguments.queue_begin[blockIdx.x], end = arguments.queue_begin[blockIdx.x + 1];
  if (block.warp == kWarps) {
    produce(block, begin, end);
  } else {
    consume(block, begin, end);
  }
}
