#include "eval/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/random.h"
#include "eval/history.h"
#include "eval/logits.h"
#include "eval/oracle.h"
#include "eval/seeded_tokens.h"
#include "eval/tolerance.h"

namespace amk::eval {
namespace {

/// Passes of one launch that the oracle follows: it takes long over each.
constexpr uint32_t kFollowedPasses = 64;

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// A machine's logits and choices, position after position.
struct Run {
  std::vector<float> logits;     ///< [positions, vocab]
  std::vector<uint32_t> chosen;  ///< [positions]
};

class Comparison {
 public:
  Comparison(const EvaluateRequest& request, const schedule::Program& program, Machine& machine, ThreadPool& pool,
             Verdict& verdict)
      : request_(request),
        config_(request.checkpoint->config()),
        program_(program),
        machine_(machine),
        pool_(pool),
        verdict_(verdict),
        context_(program.meta.context),
        kv_dtype_(schedule::kv_dtype(program)),
        rounding_(machine.is_gpu() ? input_rounding(program) : InputRounding::kNone) {}

  Status run() {
    verdict_.repeatable = true;
    AMK_TRY(compare_first());
    if (machine_.is_gpu()) {
      AMK_TRY(compare_late());
      AMK_TRY(compare_long_launch());
    }
    conclude();
    return {};
  }

 private:
  void progress(std::string_view step, size_t done, size_t of) const {
    if (request_.progress) request_.progress(step, static_cast<uint32_t>(done), static_cast<uint32_t>(of));
  }

  /// The oracle's answer, or what it has answered before.
  Result<std::vector<float>> ask(const OracleQuestion& question) {
    if (request_.oracle_memory == nullptr) return compute(question);
    return request_.oracle_memory->answer(question, [&] { return compute(question); });
  }

  Result<std::vector<float>> compute(const OracleQuestion& question) {
    progress("asking the oracle", 0, 1);
    if (!oracle_) {
      AMK_ASSIGN_OR_RETURN(Oracle made, Oracle::create(*request_.checkpoint, context_, pool_, kv_dtype_));
      oracle_.emplace(std::move(made));
    }
    oracle_->reset();
    if (question.position > 0)
      AMK_TRY(oracle_->set_history(history_of(question.history_seed, kv_dtype_), question.position));
    AMK_ASSIGN_OR_RETURN(std::vector<float> answer, question.last_only ? oracle_->forward_last(question.tokens)
                                                                       : oracle_->forward(question.tokens));
    progress("asking the oracle", 1, 1);
    return answer;
  }

  /// Feeds `tokens` from where the machine stands.
  Result<Run> feed(const std::vector<uint32_t>& tokens, std::string_view step) {
    Run out;
    for (const uint32_t token : tokens) {
      AMK_TRY(machine_.step(token));
      AMK_ASSIGN_OR_RETURN(const std::vector<float> logits, machine_.logits());
      out.logits.insert(out.logits.end(), logits.begin(), logits.end());
      out.chosen.push_back(machine_.next_token());
      progress(step, out.chosen.size(), tokens.size());
    }
    return out;
  }

  /// The first positions, one after another.
  Status compare_first() {
    const std::vector<uint32_t> tokens = seeded_tokens(config_, std::min(request_.positions, context_), request_.seed);
    AMK_TRY(machine_.reset());
    AMK_ASSIGN_OR_RETURN(const Run found, feed(tokens, "running"));
    AMK_TRY(machine_.reset());
    AMK_ASSIGN_OR_RETURN(const Run again, feed(tokens, "running again"));
    verdict_.repeatable = verdict_.repeatable && same_bits(found.logits, again.logits);
    AMK_ASSIGN_OR_RETURN(const std::vector<float> expected, ask({0, 0, tokens, false, kv_dtype_}));
    compare(expected, found, "");
    return {};
  }

  /// One position in the middle of the context and its last, both behind a history that was drawn.
  Status compare_late() {
    const uint64_t row_bytes = uint64_t{2} * config_.layer_count * config_.kv_size() * sizeof(float);
    const auto fitting = static_cast<uint32_t>(
        std::min<uint64_t>(context_, std::max<uint64_t>(1, request_.history_bytes_max / row_bytes)));
    if (fitting < context_) {
      verdict_.notes.push_back(
          fmt::format("compared up to position {} of {}: a longer history would take the oracle more than {} MB",
                      fitting - 1, context_ - 1, request_.history_bytes_max / 1'000'000));
    }
    uint32_t last = verdict_.compared_positions - 1;
    for (const uint32_t position : {fitting / 2, fitting - 1}) {
      if (position <= last) continue;  // compared already
      last = position;
      AMK_TRY(compare_at(position));
    }
    return {};
  }

  Status compare_at(uint32_t position) {
    const uint64_t seed = mix64(request_.seed) + position;
    const std::vector<uint32_t> token = seeded_tokens(config_, 1, seed);
    progress(fmt::format("comparing position {}", position), 0, 1);
    AMK_TRY(machine_.set_history(seed, position));
    AMK_ASSIGN_OR_RETURN(const Run found, feed(token, "running"));
    AMK_TRY(machine_.set_history(seed, position));
    AMK_ASSIGN_OR_RETURN(const Run again, feed(token, "running again"));
    verdict_.repeatable = verdict_.repeatable && same_bits(found.logits, again.logits);
    AMK_ASSIGN_OR_RETURN(const std::vector<float> expected, ask({seed, position, token, true, kv_dtype_}));
    compare(expected, found, fmt::format(" at position {}, after a drawn history", position));
    return {};
  }

  /// One launch of as many passes as the program allows, against single launches and the oracle.
  Status compare_long_launch() {
    const uint32_t passes = std::min({program_.launch.tokens_per_launch, context_, kFollowedPasses});
    if (passes <= 1) return {};
    if (passes < std::min(program_.launch.tokens_per_launch, context_))
      verdict_.notes.push_back(fmt::format("compared a launch of {} passes; longer ones were not run", passes));
    std::vector<uint32_t> fed = seeded_tokens(config_, 1, request_.seed + 1);
    AMK_TRY(machine_.reset());
    AMK_ASSIGN_OR_RETURN(const std::vector<uint32_t> tokens, machine_.decode(fed.front(), passes));
    AMK_ASSIGN_OR_RETURN(const std::vector<float> logits, machine_.logits());

    fed.insert(fed.end(), tokens.begin(), tokens.end() - 1);
    AMK_TRY(machine_.reset());
    AMK_ASSIGN_OR_RETURN(const Run single, feed(fed, "running"));
    const std::vector<float> last(single.logits.end() - static_cast<ptrdiff_t>(logits.size()), single.logits.end());
    if (single.chosen != tokens || !same_bits(last, logits)) {
      long_launch_differs_ = true;
      verdict_.notes.push_back(fmt::format(
          "expected a launch of {} passes to do what {} launches of one do, found other tokens or other logits", passes,
          passes));
    }
    AMK_ASSIGN_OR_RETURN(const std::vector<float> expected, ask({0, 0, fed, true, kv_dtype_}));
    compare(expected, {logits, {tokens.back()}}, fmt::format(" after a launch of {} passes", passes));
    return {};
  }

  /// Rows of logits; `where` is for the note.
  void compare(const std::vector<float>& expected, const Run& found, const std::string& where) {
    const double tolerance = logit_tolerance(config_, largest_magnitude(expected), kv_dtype_, rounding_);
    const double difference = largest_difference(expected, found.logits);
    // Logits that are not finite have no tolerance worth the name: an infinite one would allow everything.
    const bool close = std::isfinite(difference) && difference <= tolerance;
    // The verdict has the figures of the comparison that is nearest to its bound, or furthest beyond it.
    const double share = std::isfinite(difference) ? difference / tolerance : HUGE_VAL;
    if (verdict_.compared_positions == 0 || share > worst_share_) {
      worst_share_ = share;
      verdict_.max_abs_err = difference;
      verdict_.tolerance = tolerance;
    }
    for (size_t row = 0; row < found.chosen.size(); ++row) {
      const std::span<const float> logits(expected.data() + row * config_.vocab_size, config_.vocab_size);
      if (top_margin(logits) <= 2 * tolerance || best_token(logits) == found.chosen[row]) ++agreed_;
    }
    verdict_.compared_positions += static_cast<uint32_t>(found.chosen.size());
    if (close) return;
    all_close_ = false;
    verdict_.notes.push_back(fmt::format(
        "expected logits within {:.3g} of the oracle's, found a difference of {:.3g}{}", tolerance, difference, where));
  }

  void conclude() {
    verdict_.top1_agreement = static_cast<double>(agreed_) / verdict_.compared_positions;
    verdict_.correct =
        all_close_ && agreed_ == verdict_.compared_positions && verdict_.repeatable && !long_launch_differs_;
    if (!verdict_.repeatable) verdict_.notes.emplace_back("two runs of the same tokens gave different bits");
  }

  const EvaluateRequest& request_;
  const model::ModelConfig& config_;
  const schedule::Program& program_;
  Machine& machine_;
  ThreadPool& pool_;
  Verdict& verdict_;
  uint32_t context_;
  abi::Dtype kv_dtype_;
  InputRounding rounding_;
  std::optional<Oracle> oracle_;  ///< once it has been asked
  uint32_t agreed_ = 0;
  double worst_share_ = 0;
  bool all_close_ = true;
  bool long_launch_differs_ = false;
};

}  // namespace

Status check_correctness(const EvaluateRequest& request, const schedule::Program& program, Machine& machine,
                         ThreadPool& pool, Verdict& verdict) {
  return Comparison(request, program, machine, pool, verdict).run();
}

}  // namespace amk::eval
