// The ring: stages of shared memory that one producer warp fills and all consumer warps empty.
//
// The producer (produce.cuh) walks what the queue streams, across tasks and passes; it waits for room and for copies to
// land: no more than kCopiesInFlight are under way at once. Records of the tasks travel
// the same way, through slots of their own. A stage has two barriers, "full" and "empty". Where the hardware has
// transaction barriers (`bulk`) they are that; otherwise words that count rounds.
#pragma once

#include "instructions/device/block.cuh"

namespace amk::device {

using build::kBulk;
using build::kStages;

/// A place in a circle of slots: which slot, and how often the circle has been gone round.
template <uint32_t kSlots>
struct Cursor {
  uint32_t slot = 0;
  uint32_t round = 0;

  __device__ __forceinline__ void advance() {
    if (++slot == kSlots) {
      slot = 0;
      ++round;
    }
  }
};

/// The barriers of one circle of slots.
template <uint32_t kSlots, FaultKind kFullFault, FaultKind kEmptyFault>
class Slots {
 public:
  __device__ explicit Slots(uint64_t* barriers) : full_(barriers), empty_(barriers + kSlots) {}

  /// By one thread, before anyone waits.
  __device__ void init() const {
#pragma unroll 1
    for (uint32_t i = 0; i < kSlots; ++i) {
#if __CUDA_ARCH__ >= 900
      if constexpr (kBulk) {
        barrier_init(full_ + i, 1);
        barrier_init(empty_ + i, kWarps);
        continue;
      }
#endif
      full_[i] = 0;
      empty_[i] = 0;
    }
  }

  // ---- consumers ----

  __device__ __forceinline__ void wait_full(const Block& block, const Cursor<kSlots>& at) const {
#if __CUDA_ARCH__ >= 900
    if constexpr (kBulk) {
      if (!barrier_try_wait(full_ + at.slot, at.round & 1U))
        await_barrier(full_ + at.slot, at.round & 1U, kFullFault, at.slot, block.task);
      return;
    }
#endif
    if (!reached(load_shared(word(full_, at.slot)), at.round + 1))
      await_word(word(full_, at.slot), at.round + 1, kFullFault, at.slot, block.task);
    __threadfence_block();
  }
  /// By a whole warp, which has read all that it needs of the slot.
  __device__ __forceinline__ void release(const Block& block, const Cursor<kSlots>& at) const {
    if constexpr (!kBulk) __threadfence_block();
    __syncwarp();
    if (block.lane == 0) {
#if __CUDA_ARCH__ >= 900
      if constexpr (kBulk) {
        barrier_arrive(empty_ + at.slot);
        return;
      }
#endif
      add_shared(word(empty_, at.slot), 1);
    }
  }

  // ---- the producer ----

  __device__ __forceinline__ bool has_room(const Cursor<kSlots>& at) const {
#if __CUDA_ARCH__ >= 900
    if constexpr (kBulk) return barrier_try_wait(empty_ + at.slot, (at.round & 1U) ^ 1U);
#endif
    return reached(load_shared(word(empty_, at.slot)), at.round * kWarps);
  }
  __device__ __forceinline__ void wait_room(const Block& block, const Cursor<kSlots>& at) const {
#if __CUDA_ARCH__ >= 900
    if constexpr (kBulk) {
      if (!has_room(at)) await_barrier(empty_ + at.slot, (at.round & 1U) ^ 1U, kEmptyFault, at.slot, block.task);
      return;
    }
#endif
    if (!has_room(at)) await_word(word(empty_, at.slot), at.round * kWarps, kEmptyFault, at.slot, block.task);
    __threadfence_block();
  }
  /// What the whole warp wrote to the slot may be read. Not for `bulk`, whose copies say so themselves.
  __device__ __forceinline__ void publish(const Block& block, const Cursor<kSlots>& at) const {
    __threadfence_block();
    __syncwarp();
    if (block.lane == 0) store_shared(word(full_, at.slot), at.round + 1);
  }
  __device__ __forceinline__ uint64_t* full(uint32_t slot) const { return full_ + slot; }

 private:
  __device__ static __forceinline__ uint32_t* word(uint64_t* barriers, uint32_t slot) {
    return reinterpret_cast<uint32_t*>(barriers + slot);
  }
  uint64_t* full_;
  uint64_t* empty_;
};

using StageSlots = Slots<kStages, FaultKind::kStage, FaultKind::kRoom>;
using RecordSlots = Slots<kRecordSlots, FaultKind::kRecord, FaultKind::kRecord>;

__device__ __forceinline__ StageSlots stage_slots() { return StageSlots(Block::barriers()); }
__device__ __forceinline__ RecordSlots record_slots() { return RecordSlots(Block::barriers() + 2 * kStages); }
__device__ __forceinline__ unsigned char* stage_data(uint32_t slot) {
  return Block::ring() + slot * build::kStageBytes;
}

/// Slots that the producer fills ahead of the task whose weights it streams.
constexpr uint32_t kRecordsAhead = kRecordSlots / 2;

/// The records of a queue, once a pass, brought into the slots one after another.
class RecordFeed {
 public:
  __device__ RecordFeed(uint32_t begin, uint32_t end)
      : slots_(record_slots()), begin_(begin), count_(end - begin), left_((end - begin) * Block::args().passes) {}

  [[nodiscard]] __device__ bool done() const { return left_ == 0; }

  /// Fills the next slot, with one lane (`bulk`) or the whole warp.
  __device__ __forceinline__ void fill_next(const Block& block) {
    const TaskRecord* from = Block::args().records + begin_ + index_;
    slots_.wait_room(block, at_);
    TaskRecord* to = Block::records() + at_.slot;
#if __CUDA_ARCH__ >= 900
    if constexpr (kBulk) {
      barrier_expect(slots_.full(at_.slot), sizeof(TaskRecord));
      bulk_copy(to, from, sizeof(TaskRecord), slots_.full(at_.slot), policy_);
    }
#endif
    if constexpr (!kBulk) {
      for (uint32_t i = block.lane; i < sizeof(TaskRecord) / 16; i += 32) {
        reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(from)[i];
      }
      slots_.publish(block, at_);
    }
    at_.advance();
    if (++index_ == count_) index_ = 0;
    --left_;
  }
  __device__ void set_policy(uint64_t policy) { policy_ = policy; }

 private:
  RecordSlots slots_;
  Cursor<kRecordSlots> at_;
  uint32_t begin_;
  uint32_t count_;
  uint32_t left_;
  uint32_t index_ = 0;
  uint64_t policy_ = 0;
};

/// A part of what goes into a stage: a multiple of 16 bytes, or nothing.
struct Piece {
  const unsigned char* from = nullptr;
  uint32_t bytes = 0;
  uint32_t at = 0;  ///< where in the stage
};

/// Fills the stages of the ring, one after another.
class StageFeed {
 public:
  __device__ StageFeed() : slots_(stage_slots()) {}

  /// Fills the next stage. `policy`: what the L2 cache is to do with it, where bulk copies are used.
  template <uint32_t kPieces>
  __device__ __forceinline__ void fill_next(const Block& block, const Piece (&pieces)[kPieces], uint64_t policy) {
#if __CUDA_ARCH__ >= 900
    if constexpr (kBulk) {
      // The copy that was issued kCopiesInFlight ago must have landed.
      if (under_way_ == build::kCopiesInFlight) {
        slots_.wait_full(block, oldest_);
        oldest_.advance();
      } else {
        ++under_way_;
      }
      slots_.wait_room(block, at_);
      uint32_t bytes = 0;
      for (const Piece& piece : pieces) bytes += piece.bytes;
      barrier_expect(slots_.full(at_.slot), bytes);
      for (const Piece& piece : pieces) {
        if (piece.bytes == 0) continue;
        bulk_copy(stage_data(at_.slot) + piece.at, piece.from, piece.bytes, slots_.full(at_.slot), policy);
      }
      at_.advance();
      return;
    }
#endif
#if __CUDA_ARCH__ >= 800
    if constexpr (build::kAsync) {
      // What waits for room must not keep what has landed to itself.
      if (!slots_.has_room(at_)) drain(block);
      slots_.wait_room(block, at_);
      for (const Piece& piece : pieces) {
        unsigned char* to = stage_data(at_.slot) + piece.at;
        for (uint32_t i = block.lane * 16; i < piece.bytes; i += 32 * 16) async_copy(to + i, piece.from + i);
      }
      async_commit();
      ++under_way_;
      at_.advance();
      if (under_way_ == build::kCopiesInFlight) {
        async_wait<build::kCopiesInFlight - 1>();
        publish_oldest(block);
      }
      return;
    }
#endif
    slots_.wait_room(block, at_);
    for (const Piece& piece : pieces) copy_plainly(block, stage_data(at_.slot) + piece.at, piece.from, piece.bytes);
    slots_.publish(block, at_);
    at_.advance();
  }
  /// Publishes what is still under way.
  __device__ __forceinline__ void drain(const Block& block) {
#if __CUDA_ARCH__ >= 800
    if constexpr (build::kAsync) {
      if (under_way_ == 0) return;
      async_wait<0>();
      while (under_way_ > 0) publish_oldest(block);
    }
#endif
  }

 private:
  __device__ static __forceinline__ void copy_plainly(const Block& block, unsigned char* to, const unsigned char* from,
                                                      uint32_t bytes) {
    constexpr uint32_t kAtOnce = 8;
    for (uint32_t base = block.lane * 16; base < bytes; base += kAtOnce * 32 * 16) {
      uint4 held[kAtOnce];
#pragma unroll
      for (uint32_t j = 0; j < kAtOnce; ++j) {
        if (base + j * 512 < bytes) held[j] = load_l2(reinterpret_cast<const uint4*>(from + base + j * 512));
      }
#pragma unroll
      for (uint32_t j = 0; j < kAtOnce; ++j) {
        if (base + j * 512 < bytes) *reinterpret_cast<uint4*>(to + base + j * 512) = held[j];
      }
    }
  }

  __device__ __forceinline__ void publish_oldest(const Block& block) {
    slots_.publish(block, oldest_);
    oldest_.advance();
    --under_way_;
  }

  StageSlots slots_;
  Cursor<kStages> at_;
  Cursor<kStages> oldest_;  ///< of the copies under way
  uint32_t under_way_ = 0;
};

}  // namespace amk::device
