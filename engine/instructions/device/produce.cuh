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
    Stream stream;
    if (kAttends && attends(task.opcode)) {
      stream = caches_of(task, block.turn.position);
      if (stream.times > 0 && block.turn.pass > awaited_) await_passes(block);
    } else if (task.opcode != abi::Opcode::kEmbed) {
      stream = weights_of(task);
    }
#pragma unroll 1
    for (uint32_t time = 0; time < stream.times; ++time) {
      const unsigned char* from = stream.from + uint64_t{time} * stream.stride;
#pragma unroll 1
      for (uint32_t left = stream.bytes; left > 0;) {
        const uint32_t bytes = min(left, stream.chunk);
        const Piece second{from + stream.second, stream.second == 0 ? 0 : bytes, CacheStream::kValuesAt};
        stages_.fill_next(block, {Piece{from, bytes, 0}, second}, stream.policy);
        from += bytes;
        left -= bytes;
      }
    }
  }
  /// Publishes what is still under way.
  __device__ __forceinline__ void drain(const Block& block) { stages_.drain(block); }
  __device__ uint64_t once_policy() const { return once_; }

 private:
  /// `times` runs of `bytes`, each in stages of `chunk`; the run begins anew `stride` further on each time.
  struct Stream {
    const unsigned char* from = nullptr;
    int64_t second = 0;  ///< another such stream, so far behind `from`, shares the stages; 0: there is none
    uint32_t times = 0;
    uint32_t bytes = 0;
    uint32_t chunk = 0;
    uint32_t stride = 0;
    uint64_t policy = 0;
  };

  __device__ __forceinline__ Stream weights_of(const TaskRecord& task) const {
    return {reinterpret_cast<const unsigned char*>(task.stream),
            0,
            task.tile_count,
            task.tile_bytes,
            task.chunk_units * unit_bytes(task.format),
            task.tile_bytes,
            once_};
  }
  __device__ __forceinline__ Stream caches_of(const TaskRecord& task, uint32_t position) const {
    const CacheStream caches(task, position);
    const unsigned char* keys = caches.keys(caches.begin());
    return {keys,  caches.values(caches.begin()) - keys, caches.rounds(), caches.bytes(), CacheStream::kValuesAt, 0,
            again_};
  }
  __device__ __forceinline__ void await_passes(const Block& block) {
    drain(block);  // the consumers need what has landed to finish the passes before
    await_passes_before(block.turn.pass, block.task);
    awaited_ = block.turn.pass;
#if __CUDA_ARCH__ >= 900
    if constexpr (kBulk) fence_before_bulk_copies();
#endif
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
