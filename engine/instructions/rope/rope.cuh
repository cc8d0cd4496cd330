// Device body of Rope, and the rotation itself (rope.h).
#pragma once

#include "instructions/device/activations.cuh"

namespace amk::device {

struct DeviceRotation {
  float cos;
  float sin;
};

/// cos and sin of inv_freq x position. The angle is rounded to float32, as transformers rounds it; it is then reduced
/// in float64, so that position 100,000 turns as exactly as position 1 (Cephes, sinf.c: the polynomials).
__device__ __forceinline__ DeviceRotation rotation(float inv_freq, uint32_t position) {
  const float angle = __fmul_rn(inv_freq, static_cast<float>(position));
  const double quarter_turns = rint(static_cast<double>(angle) * 0.63661977236758134308);
  const auto r = static_cast<float>(fma(-quarter_turns, 1.57079632679489661923, static_cast<double>(angle)));
  const float z = r * r;
  const float sine = ((-1.9515295891e-4F * z + 8.3321608736e-3F) * z - 1.6666654611e-1F) * z * r + r;
  const float cosine =
      ((2.443315711809948e-5F * z - 1.388731625493765e-3F) * z + 4.166664568298827e-2F) * z * z - 0.5F * z + 1.0F;
  const auto quadrant = static_cast<uint32_t>(static_cast<long long>(quarter_turns)) & 3U;
  const float c = (quadrant & 1U) != 0 ? sine : cosine;
  const float s = (quadrant & 1U) != 0 ? cosine : sine;
  return {quadrant == 1 || quadrant == 2 ? -c : c, quadrant >= 2 ? -s : s};
}

__device__ __forceinline__ void run_rope(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kRope;
  const auto& params = params_of<abi::RopeParams>(task);
  const Activation x(block, task.operand[operand_at(kOp, "x")]);
  const Activation y(block, task.operand[operand_at(kOp, "y")]);
  const auto* inv_freq = reinterpret_cast<const float*>(task.operand[operand_at(kOp, "inv_freq")]);
  const uint32_t half = params.head_dim / 2, base = params.head * params.head_dim;
  for (uint32_t i = block.thread; i < half; i += kWarps * 32) {
    const DeviceRotation turn = rotation(inv_freq[i], block.turn.position);
    const float a = x.load(base + i), b = x.load(base + half + i);
    y.store(base + i, a * turn.cos - b * turn.sin);
    y.store(base + half + i, b * turn.cos + a * turn.sin);
  }
}

}  // namespace amk::device
