#include "eval/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "eval/logits.h"
#include "eval/oracle.h"
#include "eval/tolerance.h"
#include "vm/reference/reference_vm.h"

namespace amk::eval {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Status check_request(const GenerateRequest& request) {
  AMK_TRY(check_sampling(request.sampling));
  const uint32_t vocab = request.checkpoint->config().vocab_size;
  const uint32_t context = (*request.program)->meta.context;
  if (request.prompt.empty())
    return Error{ErrorCode::kUsage, "expected a prompt of at least one token, found none", "", ""};
  if (request.prompt.size() > context) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a prompt of at most {} tokens, the program's context, found {}", context,
                             request.prompt.size()),
                 "", "compile with a larger --context"};
  }
  for (const uint32_t token : request.prompt) {
    if (token < vocab) continue;
    return Error{ErrorCode::kUsage, fmt::format("expected tokens below {}, the vocabulary, found {}", vocab, token), "",
                 ""};
  }
  return {};
}

/// Holds each position of the VM against the oracle.
class Verifier {
 public:
  Verifier(const model::ModelConfig& config, abi::Dtype kv_dtype) : config_(config), kv_dtype_(kv_dtype) {}

  Status start(const GenerateRequest& request, ThreadPool& pool) {
    AMK_ASSIGN_OR_RETURN(Oracle oracle,
                         Oracle::create(*request.checkpoint, (*request.program)->meta.context, pool, kv_dtype_));
    oracle_ = std::move(oracle);
    return {};
  }

  /// Compares what the VM said after `token`.
  Status compare(uint32_t token, const vm::ReferenceVm& machine) {
    AMK_ASSIGN_OR_RETURN(const std::vector<float> expected, oracle_->forward_last({&token, 1}));
    largest_logit_ = std::max(largest_logit_, largest_magnitude(expected));
    agreement_.tolerance = logit_tolerance(config_, largest_logit_, kv_dtype_);
    const double difference = largest_difference(expected, machine.logits());
    // The first NaN stays: nothing compares as larger than it.
    if (std::isnan(difference) || difference > agreement_.max_abs_err) agreement_.max_abs_err = difference;
    const bool near_tie = top_margin(expected) <= 2 * agreement_.tolerance;
    if (!near_tie && best_token(expected) != machine.next_token()) ++agreement_.different_tokens;
    ++agreement_.positions;
    return {};
  }

  [[nodiscard]] const Agreement& agreement() const { return agreement_; }

 private:
  const model::ModelConfig& config_;
  abi::Dtype kv_dtype_;
  std::optional<Oracle> oracle_;
  Agreement agreement_;
  double largest_logit_ = 0;
};

class Generator {
 public:
  Generator(const GenerateRequest& request, ThreadPool& pool, vm::ReferenceVm machine)
      : request_(request),
        pool_(pool),
        machine_(std::move(machine)),
        sampler_(request.sampling),
        verifier_(request.checkpoint->config(), schedule::kv_dtype(request.program->program())) {}

  Result<Generation> run() {
    if (request_.verify) AMK_TRY(verifier_.start(request_, pool_));
    for (const uint32_t token : request_.prompt) {
      AMK_TRY(step(token, out_.prompt_seconds));
      const std::span<const float> logits = machine_.logits();
      if (request_.keep_prompt_logits)
        out_.prompt_logits.insert(out_.prompt_logits.end(), logits.begin(), logits.end());
    }
    AMK_TRY(decode());
    if (request_.verify) out_.agreement = verifier_.agreement();
    return std::move(out_);
  }

 private:
  Status step(uint32_t token, double& seconds) {
    const Clock::time_point start = Clock::now();
    AMK_TRY(machine_.step(token));
    seconds += seconds_since(start);
    if (request_.verify) AMK_TRY(verifier_.compare(token, machine_));
    return {};
  }

  Status decode() {
    const uint32_t context = (*request_.program)->meta.context;
    while (out_.tokens.size() < request_.max_tokens) {
      const uint32_t token =
          request_.sampling.temperature == 0 ? machine_.next_token() : sampler_.choose(machine_.logits());
      if (std::find(request_.stop_ids.begin(), request_.stop_ids.end(), token) != request_.stop_ids.end()) {
        out_.stop_reason = StopReason::kStopToken;
        return {};
      }
      out_.tokens.push_back(token);
      if (request_.on_token) request_.on_token(token);
      if (out_.tokens.size() == request_.max_tokens) break;
      if (machine_.position() == context) {
        out_.stop_reason = StopReason::kContext;
        return {};
      }
      AMK_TRY(step(token, out_.decode_seconds));
    }
    out_.stop_reason = StopReason::kLength;
    return {};
  }

  const GenerateRequest& request_;
  ThreadPool& pool_;
  vm::ReferenceVm machine_;
  Sampler sampler_;
  Verifier verifier_;
  Generation out_;
};

}  // namespace

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kStopToken:
      return "eos";
    case StopReason::kLength:
      return "length";
    case StopReason::kContext:
      return "context";
  }
  return "length";
}

double Generation::tokens_per_second() const {
  // The first generated token comes out of the prompt's last pass; decoding made the rest.
  return tokens.size() < 2 || decode_seconds <= 0 ? 0 : static_cast<double>(tokens.size() - 1) / decode_seconds;
}

Result<Generation> generate(const GenerateRequest& request, ThreadPool& pool) {
  AMK_TRY(check_request(request));
  AMK_ASSIGN_OR_RETURN(vm::ReferenceVm machine, vm::ReferenceVm::create(*request.program, *request.checkpoint, pool));
  return Generator(request, pool, std::move(machine)).run();
}

}  // namespace amk::eval
