// Device body of Embed (embed.h).
#pragma once

#include "instructions/device/activations.cuh"
#include "instructions/device/formats.cuh"

namespace amk::device {

template <WeightFormat kFormat>
__device__ __forceinline__ void run_embed(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kEmbed;
  const auto& params = params_of<abi::EmbedParams>(task);
  const Activation y(block, task.operand[operand_at(kOp, "y")]);
  const unsigned char* tile = reinterpret_cast<const unsigned char*>(task.stream) +
                              static_cast<uint64_t>(block.turn.token / kTileRows) * task.tile_bytes;
  for (uint32_t i = block.thread; i < params.col_count; i += kWarps * 32) {
    const uint32_t column = params.col_begin + i;
    const unsigned char* unit = tile + column / unit_columns(kFormat) * unit_bytes(kFormat);
    y.store(column, element<kFormat>(unit, block.turn.token % kTileRows, column % unit_columns(kFormat)));
  }
}

}  // namespace amk::device
