// Rotary position embedding for the oracle: a second implementation, on purpose.
//
// It never calls model::rope_inverse_frequencies, which the engine's own path uses: a mistake there must show here.
// Source: transformers, modeling_rope_utils.py and models/llama/modeling_llama.py (LlamaRotaryEmbedding,
// rotate_half, apply_rotary_pos_emb).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/model_config.h"

namespace amk::eval {

/// Angle per position of each rotated pair, float32[head_dim / 2]. Every step is rounded to float32 where transformers
/// has a float32 tensor.
std::vector<float> rotary_frequencies(const model::RopeConfig& rope, uint32_t head_dim);

/// Cosines, then sines, of every pair's angle at `position`: out[2 * frequencies.size()]. The angle is a float32; its
/// cosine and sine are those of that float32, rounded once.
void rotary_cos_sin(std::span<const float> frequencies, uint32_t position, std::span<float> out);

/// Turns the pairs (i, i + head_dim / 2) of each head of `heads` [head count][head_dim] in place, by the angles of
/// `cos_sin` [head_dim].
void rotate_heads(std::span<const float> cos_sin, std::span<float> heads);

}  // namespace amk::eval
