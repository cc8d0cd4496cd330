// Device bodies of Argmax and ArgmaxCombine (argmax.h).
#pragma once

#include "instructions/device/activations.cuh"

namespace amk::device {

struct Candidate {
  float value;
  uint32_t index;
};
constexpr uint32_t kNoIndex = 0xffffffffU;

/// The better of two: larger, or equal and earlier. A NaN is never better.
__device__ __forceinline__ Candidate better(Candidate a, Candidate b) {
  return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
}

/// The best candidate of all consumers, at thread 0.
__device__ __forceinline__ Candidate best_of_block(const Block& block, Candidate mine) {
  for (uint32_t offset = 16; offset > 0; offset /= 2) {
    const Candidate other{__shfl_xor_sync(kAllLanes, mine.value, offset),
                          __shfl_xor_sync(kAllLanes, mine.index, offset)};
    mine = better(mine, other);
  }
  auto* of_warp = reinterpret_cast<Candidate*>(Block::partial());
  if (block.lane == 0) of_warp[block.warp] = mine;
  consumer_barrier();
  if (block.thread == 0) {
    for (uint32_t w = 1; w < kWarps; ++w) mine = better(mine, of_warp[w]);
  }
  return mine;
}

__device__ __forceinline__ void run_argmax(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kArgmax;
  const auto& params = params_of<abi::ArgmaxParams>(task);
  const auto* logits = reinterpret_cast<const float*>(task.operand[operand_at(kOp, "logits")]);
  Candidate mine{-kInfinity, params.begin};
  for (uint32_t i = params.begin + block.thread; i < params.begin + params.count; i += kWarps * 32) {
    const float value = load_l2(logits + i);
    if (value > mine.value) mine = {value, i};
  }
  // Threads that saw nothing above -inf offer the slice's first index, which loses every tie with a real one.
  const Candidate best = best_of_block(block, mine);
  if (block.thread == 0) {
    Activation(block, task.operand[operand_at(kOp, "value")]).store(params.slot, best.value);
    Activation(block, task.operand[operand_at(kOp, "index")]).store_word(params.slot, best.index);
  }
}

__device__ __forceinline__ void run_argmax_combine(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kArgmaxCombine;
  const auto& params = params_of<abi::ArgmaxCombineParams>(task);
  const Activation value(block, task.operand[operand_at(kOp, "value")]);
  const Activation index(block, task.operand[operand_at(kOp, "index")]);
  Candidate mine{-kInfinity, kNoIndex};
  for (uint32_t i = block.thread; i < params.count; i += kWarps * 32) {
    const Candidate candidate{value.load(i), index.load_word(i)};
    // Where nothing is above -inf the lowest index of all wins, as for the reference.
    mine = better(mine, candidate);
  }
  Candidate best = best_of_block(block, mine);
  if (block.thread == 0) {
    // Where every value is a NaN none has won: the first slot's index, as for the reference. It is a row of the table.
    if (best.index == kNoIndex) best.index = index.load_word(0);
    *reinterpret_cast<uint32_t*>(task.operand[operand_at(kOp, "token")]) = best.index;
    Block::args().tokens[block.turn.pass] = best.index;
  }
}

}  // namespace amk::device
