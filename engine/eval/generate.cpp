#include "eval/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "eval/logits.h"
#include "eval/oracle.h"
#include "eval/tolerance.h"

namespace amk::eval {
namespace {

using Clock = std::chrono::steady_clock;

/// Tokens that a GPU is asked for at once: few enough to be read as they come.
constexpr size_t kTokensAtOnce = 16;

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
  Verifier(const model::ModelConfig& config, abi::Dtype kv_dtype, InputRounding rounding)
      : config_(config), kv_dtype_(kv_dtype), rounding_(rounding) {}

  Status start(const GenerateRequest& request, ThreadPool& pool) {
    AMK_ASSIGN_OR_RETURN(Oracle oracle,
                         Oracle::create(*request.checkpoint, (*request.program)->meta.context, pool, kv_dtype_));
    oracle_ = std::move(oracle);
    return {};
  }

  /// Compares what the VM said after `token`.
  Status compare(uint32_t token, Machine& machine) {
    AMK_ASSIGN_OR_RETURN(const std::vector<float> found, machine.logits());
    AMK_ASSIGN_OR_RETURN(const std::vector<float> expected, oracle_->forward_last({&token, 1}));
    largest_logit_ = std::max(largest_logit_, largest_magnitude(expected));
    agreement_.tolerance = logit_tolerance(config_, largest_logit_, kv_dtype_, rounding_);
    const double difference = largest_difference(expected, found);
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
  InputRounding rounding_;
  std::optional<Oracle> oracle_;
  Agreement agreement_;
  double largest_logit_ = 0;
};

class Generator {
 public:
  Generator(const GenerateRequest& request, ThreadPool& pool, Machine& machine)
      : request_(request),
        pool_(pool),
        machine_(machine),
        sampler_(request.sampling),
        verifier_(request.checkpoint->config(), schedule::kv_dtype(request.program->program()),
                  machine.is_gpu() ? input_rounding(request.program->program()) : InputRounding::kNone) {}

  Result<Generation> run() {
    if (request_.verify) AMK_TRY(verifier_.start(request_, pool_));
    for (const uint32_t token : request_.prompt) {
      AMK_TRY(step(token, out_.prompt_seconds));
      if (!request_.keep_prompt_logits) continue;
      AMK_ASSIGN_OR_RETURN(const std::vector<float> logits, machine_.logits());
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

  /// What the last pass chooses, and where it is greedy and nobody looks at logits, what the next ones do.
  Result<std::vector<uint32_t>> choose() {
    if (request_.sampling.temperature != 0) {
      AMK_ASSIGN_OR_RETURN(const std::vector<float> logits, machine_.logits());
      return std::vector{sampler_.choose(logits)};
    }
    std::vector<uint32_t> out = {machine_.next_token()};
    if (request_.verify || !machine_.is_gpu()) return out;
    const size_t room = (*request_.program)->meta.context - machine_.position();
    const size_t wanted = request_.max_tokens - out_.tokens.size() - 1;
    const size_t count = std::min({room, wanted, std::max<size_t>(machine_.tokens_per_launch(), kTokensAtOnce)});
    if (count == 0 || is_stop(out.front())) return out;
    const Clock::time_point start = Clock::now();
    AMK_ASSIGN_OR_RETURN(const std::vector<uint32_t> more, machine_.decode(out.front(), static_cast<uint32_t>(count)));
    out_.decode_seconds += seconds_since(start);
    out_.decode_passes += static_cast<uint32_t>(count);
    // The last of them is the choice of the machine's last pass: the next call begins with it.
    out.insert(out.end(), more.begin(), more.end() - 1);
    return out;
  }

  [[nodiscard]] bool is_stop(uint32_t token) const {
    return std::find(request_.stop_ids.begin(), request_.stop_ids.end(), token) != request_.stop_ids.end();
  }

  Status decode() {
    const uint32_t context = (*request_.program)->meta.context;
    while (out_.tokens.size() < request_.max_tokens) {
      const uint32_t before = machine_.position();
      AMK_ASSIGN_OR_RETURN(const std::vector<uint32_t> chosen, choose());
      for (const uint32_t token : chosen) {
        if (is_stop(token)) {
          out_.stop_reason = StopReason::kStopToken;
          return {};
        }
        out_.tokens.push_back(token);
        if (request_.on_token) request_.on_token(token);
      }
      if (out_.tokens.size() == request_.max_tokens) break;
      if (machine_.position() > before) continue;
      if (machine_.position() == context) {
        out_.stop_reason = StopReason::kContext;
        return {};
      }
      AMK_TRY(step(chosen.back(), out_.decode_seconds));
      ++out_.decode_passes;
    }
    out_.stop_reason = StopReason::kLength;
    return {};
  }

  const GenerateRequest& request_;
  ThreadPool& pool_;
  Machine& machine_;
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
  // The first generated token comes out of the prompt's last pass; each pass after that makes one, wanted or not.
  return tokens.size() < 2 || decode_seconds <= 0 ? 0 : decode_passes / decode_seconds;
}

Result<Generation> generate(const GenerateRequest& request, ThreadPool& pool) {
  AMK_TRY(check_request(request));
  if (request.machine != nullptr) return Generator(request, pool, *request.machine).run();
  AMK_ASSIGN_OR_RETURN(const std::unique_ptr<Machine> machine,
                       make_cpu_machine(*request.program, *request.checkpoint, pool));
  return Generator(request, pool, *machine).run();
}

}  // namespace amk::eval
