// What transformers computed for a checkpoint: the files beside the models that tests compare with.
//
// The files that came with the 16-bit checkpoints were computed with rotary frequencies rounded to 16 bits
// (RopePrecision::kStored); beside them lie expected_float32.*, made by tests/oracles/make_expected.py with
// from_pretrained, which keeps them in float32. For the other checkpoints the two are one.
//
// A file that cannot be read, or lacks a field, throws std::runtime_error: the test that asked for it fails.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model/model_config.h"

namespace amk::test {

/// expected.safetensors of a folder of tests/models.
struct Expected {
  std::vector<uint32_t> input_ids;      ///< [n]
  std::vector<float> logits;            ///< [n, vocab]: of every prompt position
  std::vector<uint32_t> generated_ids;  ///< [24]: greedy, not stopped at an eos
  std::vector<float> top2_margin;       ///< [24]: distance between the two best logits each was chosen by
};

Expected read_expected(const std::filesystem::path& model_directory, model::RopePrecision precision);

/// A prompt of models/shakespeare-llama-3m/expected.json and its greedy continuation.
struct ShippedCase {
  std::string prompt;
  std::vector<uint32_t> prompt_ids;
  std::vector<uint32_t> generated_ids;  ///< [64]
  std::string text;                     ///< of the generated ids in expected.json
  double min_top2_margin = 0.0;
};

/// expected.json of the model that ships.
struct ShippedExpected {
  std::vector<ShippedCase> cases;
  std::string perplexity_text;
  std::vector<uint32_t> perplexity_ids;
  double perplexity = 0.0;
};

ShippedExpected read_shipped_expected(const std::filesystem::path& model_directory, model::RopePrecision precision);

/// Both, for loops over them.
inline constexpr model::RopePrecision kRopePrecisions[] = {model::RopePrecision::kFloat32,
                                                           model::RopePrecision::kStored};

/// The folders of tests/models that the import must accept and the engine compute exactly.
const std::vector<std::string>& exact_models();

}  // namespace amk::test
