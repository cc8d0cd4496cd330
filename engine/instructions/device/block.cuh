// One block of the megakernel: its shared memory, its clock, what a wait does when nothing comes.
#pragma once

#include "instructions/device/build.cuh"
#include "instructions/device/primitives.cuh"

namespace amk::device {

using build::kPackets;
using build::kWarps;

/// Barrier of the consumer warps alone; the producer is never at it.
__device__ __forceinline__ void consumer_barrier() { asm volatile("bar.sync 1, %0;" ::"n"(kWarps * 32) : "memory"); }

/// The dynamic shared memory of the block.
extern __shared__ __align__(128) unsigned char shared_memory[];

/// What a pass is about. Handed from function to function by value: it stays in registers.
struct Turn {
  uint32_t epoch = 0;  ///< number of this pass
  uint32_t pass = 0;   ///< within the launch
  uint32_t token = 0;
  uint32_t position = 0;
};

/// Where the parts of the shared memory are, who this thread is, and what pass it is in.
struct Block {
  Turn turn;
  uint32_t task = 0;  ///< id of the running task, for reports
  uint32_t thread;    ///< among the consumers
  uint32_t warp;
  uint32_t lane;

  __device__ explicit Block(const Turn& now)
      : turn(now), thread(threadIdx.x), warp(threadIdx.x / 32), lane(threadIdx.x % 32) {}

  __device__ static unsigned char* ring() { return shared_memory; }
  /// A staged input, or what an instruction needs.
  __device__ static unsigned char* area() { return shared_memory + build::kStages * build::kStageBytes; }
  __device__ static TaskRecord* records() { return control<TaskRecord>(build::kControl.records); }
  __device__ static uint64_t* barriers() { return control<uint64_t>(build::kControl.barriers); }
  __device__ static float* partial() { return control<float>(build::kControl.partial); }
  __device__ static float* squares() { return control<float>(build::kControl.squares); }
  __device__ static LaunchArguments& args() { return *control<LaunchArguments>(build::kControl.arguments); }
  __device__ static uint64_t& start_time() { return *control<uint64_t>(build::kControl.start); }

 private:
  template <typename T>
  __device__ static T* control(uint32_t offset) {
    return reinterpret_cast<T*>(area() + build::kActivationBytes + offset);
  }
};

/// Leaves a report for the host and ends the launch. The host sees a failed launch and finds the report; the context is
/// lost with it, which costs the worker process and nothing else.
__device__ __noinline__ void fail(FaultKind kind, uint32_t task, uint32_t counter, uint32_t value, uint32_t threshold,
                                  uint64_t waited_ns) {
  const LaunchArguments& args = Block::args();
  if (atomicCAS(args.fault_claim, 0U, 1U) == 0U) {
    volatile FaultReport* report = args.fault;
    report->task = task;
    report->sm = blockIdx.x;
    report->counter = counter;
    report->value = value;
    report->threshold = threshold;
    report->waited_us = static_cast<uint32_t>(waited_ns / 1000);
    __threadfence_system();
    report->kind = kind;
    __threadfence_system();
    __trap();
  }
  // Another wait reports: give it time, so that its report is whole before the launch ends.
#pragma unroll 1
  for (uint32_t i = 0; i < 1000; ++i) __nanosleep(1000000);
  __trap();
}

/// Waits until `ready(value)` says so, where `value` is left at what was last seen. A launch that takes longer than its
/// deadline fails, naming this wait.
template <typename Ready>
__device__ __forceinline__ void wait_until(FaultKind kind, uint32_t task, uint32_t counter, uint32_t threshold,
                                           Ready&& ready) {
  uint32_t seen = 0;
#pragma unroll 1
  for (uint32_t spins = 1; !ready(seen); ++spins) {
    if (spins % 2048 != 0) continue;
    const uint64_t waited = global_time() - Block::start_time();
    if (waited > Block::args().deadline_ns) fail(kind, task, counter, seen, threshold, waited);
  }
}

/// Whether a count that only grows, modulo 2^32, has reached `target`.
__device__ __forceinline__ bool reached(uint32_t count, uint32_t target) {
  return static_cast<int32_t>(count - target) >= 0;
}

// These stand in line where they are used: as functions of their own they cost 3% (docs/performance-log.md).

/// Two neighbouring packets, once the first, and the second where `both` are meant, have the tag; `number` is the
/// tag's, for reports.
__device__ __forceinline__ PacketPair await_packets(const Packet* at, uint32_t tag, uint32_t number, uint32_t task,
                                                    bool both) {
  PacketPair pair;
  wait_until(FaultKind::kPacket, task, number, tag, [&](uint32_t& seen) {
    pair = load_packets(at);
    seen = pair.first.tag != tag || !both ? pair.first.tag : pair.second.tag;
    return seen == tag;
  });
  return pair;
}
__device__ __forceinline__ uint32_t await_packet(const Packet* at, uint32_t tag, uint32_t number, uint32_t task) {
  Packet packet;
  wait_until(FaultKind::kPacket, task, number, tag, [&](uint32_t& seen) {
    packet = load_packet(at);
    seen = packet.tag;
    return seen == tag;
  });
  return packet.value;
}
/// Waits until every block has finished the passes of this launch before `pass`; what they wrote is then visible.
__device__ __forceinline__ void await_passes_before(uint32_t pass, uint32_t task) {
  const LaunchArguments& args = Block::args();
  const uint32_t target = (args.epoch + pass) * gridDim.x;
  wait_until(FaultKind::kPassBarrier, task, 0, target, [&](uint32_t& seen) {
    seen = load_acquire(args.pass_counter);
    return reached(seen, target);
  });
}
#if __CUDA_ARCH__ >= 900
/// The end of the phase of that parity.
__device__ __forceinline__ void await_barrier(uint64_t* barrier, uint32_t parity, FaultKind kind, uint32_t slot,
                                              uint32_t task) {
  wait_until(kind, task, slot, parity ^ 1U, [&](uint32_t& seen) {
    seen = parity;
    return barrier_try_wait(barrier, parity);
  });
}
#endif
/// A word of shared memory that counts up to `target`.
__device__ __forceinline__ void await_word(const uint32_t* word, uint32_t target, FaultKind kind, uint32_t slot,
                                           uint32_t task) {
  wait_until(kind, task, slot, target, [&](uint32_t& seen) {
    seen = load_shared(word);
    return reached(seen, target);
  });
}

__device__ __forceinline__ float warp_sum(float value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(kAllLanes, value, offset);
  return value;
}
__device__ __forceinline__ float warp_max(float value) {
  for (int offset = 16; offset > 0; offset /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, offset));
  return value;
}

/// The task's parameters, as its opcode's record.
template <typename Params>
__device__ __forceinline__ const Params& params_of(const TaskRecord& task) {
  return reinterpret_cast<const Params&>(task.params);
}

void opcode_def_has_no_such_operand();  // never defined: a call of it is no constant

/// Index of the operand called `name`; a name that opcode.def does not give the opcode does not compile.
consteval uint32_t operand_at(abi::Opcode opcode, const char* name) {
  for (uint32_t i = 0; i < abi::operand_count(opcode); ++i) {
    const char* a = abi::operand(opcode, i).name;
    const char* b = name;
    while (*a != 0 && *a == *b) {
      ++a;
      ++b;
    }
    if (*a == *b) return i;
  }
  opcode_def_has_no_such_operand();
  return 0;
}

/// Records a time of the running task, where this build traces.
__device__ __forceinline__ void stamp(const Block& block, uint64_t TraceRecord::*field, uint32_t place) {
  if constexpr (build::kTrace) {
    if (block.thread == 0 && Block::args().trace != nullptr) {
      Block::args().trace[static_cast<uint64_t>(block.turn.pass) * Block::args().task_count + place].*field =
          global_time();
    }
  }
}

}  // namespace amk::device
