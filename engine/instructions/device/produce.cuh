// The producer warp: it brings a queue's weights, and the keys and values of earlier positions, into the ring.
//
// It never waits for an activation of its own pass. Weights do not change, so it takes those of the next task, and of
// the next pass, while consumers still wait for other SMs; rows of the caches it takes once the passes before are over.
#pragma once

#include "instructions/attention/cache_stream.cuh"
#include "instructions/device/ring.cuh"

namespace amk::device {

class Producer {
 public:
  __device__ Producer() {
#if __CUDA_ARCH__ >= 900
    if constexpr (kBulk) {
      once_ = evict_first_policy();
      again_ = evict_normal_policy();
    }
#endif
  }

  /// Streams what the task needs, if anything.
  __device__ __forceinline__ void feed(const Block& block, const TaskRecord& task) {
    if constexpr (kAttends) {
      if (attends(task.opcode)) feed_caches(block, task);
    }
    if (task.tile_count > 0 && task.opcode != abi::Opcode::kEmbed) feed_weights(block, task);
  }
  /// Publishes what is still under way.
  __device__ __forceinline__ void drain(const Block& block) { stages_.drain(block); }
  __device__ uint64_t once_policy() const { return once_; }

 private:
  __device__ __forceinline__ void feed_weights(const Block& block, const TaskRecord& task) {
    const uint32_t chunk_bytes = task.chunk_units * unit_bytes(task.format);
    const unsigned char* from = reinterpret_cast<const unsigned char*>(task.stream);
#pragma unroll 1
    for (uint32_t tile = 0; tile < task.tile_count; ++tile) {
#pragma unroll 1
      for (uint32_t left = task.tile_bytes; left > 0;) {
        const uint32_t bytes = left < chunk_bytes ? left : chunk_bytes;
        stages_.fill_next(block, {Piece{from, bytes, 0}}, once_);
        from += bytes;
        left -= bytes;
      }
    }
  }

  __device__ __forceinline__ void feed_caches(const Block& block, const TaskRecord& task) {
    const CacheStream stream(task, block.turn.position);
    if (stream.begin() == stream.end()) return;
    if (block.turn.pass > awaited_) {
      drain(block);  // the consumers need what has landed to finish the passes before
      await_passes_before(block.turn.pass, block.task);
      awaited_ = block.turn.pass;
#if __CUDA_ARCH__ >= 900
      if constexpr (kBulk) fence_before_bulk_copies();
#endif
    }
#pragma unroll 1
    for (uint32_t round = 0; round < stream.rounds(); ++round) {
#pragma unroll 1
      for (uint32_t first = stream.begin(); first < stream.end(); first += CacheStream::kStagePositions) {
        const uint32_t bytes = stream.chunk_bytes(first);
        stages_.fill_next(
            block, {Piece{stream.keys(first), bytes, 0}, Piece{stream.values(first), bytes, CacheStream::kValuesAt}},
            again_);
      }
    }
  }

  StageFeed stages_;
  uint32_t awaited_ = 0;  ///< the pass whose predecessors are known to be over
  uint64_t once_ = 0;     ///< L2 policy of what is read once a pass
  uint64_t again_ = 0;    ///< and of what may be found there by the next pass
};

/// The producer warp's whole life.
__device__ __forceinline__ void produce(Block& block, uint32_t queue_begin, uint32_t queue_end) {
  if (kBulk && block.lane != 0) return;
  RecordFeed records(queue_begin, queue_end);
  Producer producer;
  records.set_policy(producer.once_policy());
  const RecordSlots slots = record_slots();
  Cursor<kRecordSlots> at;
  uint32_t filled = 0, taken = 0;
  const uint32_t tasks = queue_end - queue_begin;
#pragma unroll 1
  for (block.turn.pass = 0; block.turn.pass < Block::args().passes; ++block.turn.pass) {
    block.turn.position = Block::args().position + block.turn.pass;
#pragma unroll 1
    for (uint32_t i = 0; i < tasks; ++i, ++taken) {
      // Ahead of the task at hand, so that its record is there when the stream comes to it.
#pragma unroll 1
      while (filled <= taken + kRecordsAhead && !records.done()) {
        // A slot is given back by consumers who may wait for a landed stage.
        if (filled > taken) producer.drain(block);
        records.fill_next(block);
        ++filled;
      }
      slots.wait_full(block, at);
      const TaskRecord& task = Block::records()[at.slot];
      block.task = task.task;
      producer.feed(block, task);
      at.advance();
    }
  }
  producer.drain(block);
}

}  // namespace amk::device
