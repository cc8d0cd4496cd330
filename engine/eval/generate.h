// Text generation by a validated program: ingest the prompt, then choose token after token.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/agreement.h"
#include "eval/machine.h"
#include "eval/sampler.h"
#include "model/checkpoint.h"
#include "validator/validator.h"

namespace amk::eval {

struct GenerateRequest {
  const model::Checkpoint* checkpoint = nullptr;
  const validator::ValidatedProgram* program = nullptr;
  Machine* machine = nullptr;    ///< that has the program loaded, at no position yet; null: the CPU
  std::vector<uint32_t> prompt;  ///< at least one token
  uint32_t max_tokens = 64;
  Sampling sampling;
  std::vector<uint32_t> stop_ids;  ///< generation ends before one of these
  bool verify = false;             ///< compare every position's logits and every greedy choice with the oracle
  bool keep_prompt_logits = false;
  std::function<void(uint32_t token)> on_token;  ///< each generated token, as soon as it is chosen
};

enum class StopReason : uint8_t { kStopToken, kLength, kContext };
[[nodiscard]] const char* stop_reason_name(StopReason reason);  ///< "eos", "length", "context"

struct Generation {
  std::vector<uint32_t> tokens;  ///< generated, without the stop token
  StopReason stop_reason = StopReason::kLength;
  double prompt_seconds = 0;
  double decode_seconds = 0;           ///< without the oracle's time
  uint32_t decode_passes = 0;          ///< after the prompt's
  std::vector<float> prompt_logits;    ///< [prompt.size(), vocab] when asked for
  std::optional<Agreement> agreement;  ///< with the oracle, over prompt and generated; when asked for

  /// Passes per second of decoding, each of which makes a token; 0 when nothing was generated.
  [[nodiscard]] double tokens_per_second() const;
};

/// kUsage: an empty or too long prompt, a token outside the vocabulary, bad sampling. kInternal: the machine broke on
/// the way; on_token has had what was chosen before. Where nothing but greedy choices is wanted, a GPU's tokens come
/// several at a time.
Result<Generation> generate(const GenerateRequest& request, ThreadPool& pool);

}  // namespace amk::eval
