// amk quantize: what quantising a model's weights costs, and what it saves.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "base/thread_pool.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/text_tokens.h"
#include "cli/verbs/verbs.h"
#include "eval/quantisation_report.h"
#include "eval/quantisation_report_json.h"
#include "eval/seeded_tokens.h"
#include "model/checkpoint.h"

namespace amk::cli {
namespace {

constexpr uint32_t kSeededPositions = 16;

Result<model::WeightFormat> format_of(const std::string& weights) {
  const char* hint = "for example --weights int8, --weights int4:64";
  if (weights.empty())
    return Error{ErrorCode::kUsage, "expected what to quantise to, int8 or int4, found nothing", "--weights", hint};
  AMK_ASSIGN_OR_RETURN(const model::WeightFormat format, model::parse_weight_format(weights));
  if (format) return format;
  return Error{ErrorCode::kUsage, "expected what to quantise to, int8 or int4, found 'stored', which is as it is",
               "--weights", hint};
}

Result<std::vector<uint32_t>> tokens_of(const QuantizeOptions& options, const model::Checkpoint& checkpoint) {
  const uint32_t context = checkpoint.config().context_max;
  if (options.positions && *options.positions > context) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected 1 to {} positions, the model's, found {}", context, *options.positions),
                 "--positions", ""};
  }
  if (options.text_file.empty()) {
    const uint32_t count = options.positions.value_or(std::min(kSeededPositions, context));
    return eval::seeded_tokens(checkpoint.config(), count, options.seed);
  }
  AMK_ASSIGN_OR_RETURN(std::vector<uint32_t> ids, text_tokens(options.text_file, checkpoint, "--text"));
  if (options.positions && *options.positions < ids.size()) ids.resize(*options.positions);
  if (ids.size() >= 2 && ids.size() <= context) return ids;
  return Error{ErrorCode::kUsage, fmt::format("expected 2 to {} tokens of the text, found {}", context, ids.size()),
               options.text_file,
               ids.size() < 2 ? "give a longer text, or more --positions" : "take its first ones with --positions"};
}

std::string bytes_text(const eval::QuantisedBytes& bytes) {
  return fmt::format("{} as stored, {} quantised: {:.1f}%", grouped(bytes.stored), grouped(bytes.quantised),
                     100 * bytes.ratio());
}

std::string facts_text(const eval::QuantisationReport& report) {
  const eval::LogitDifference& logits = report.logits;
  Facts facts;
  facts.add("model", fmt::format("{}, weights {}", report.model, model::weight_format_name(report.dtype)));
  facts.add("bytes a token", bytes_text(report.streamed));
  facts.add("bytes in all", bytes_text(report.all));
  facts.add("run", fmt::format("{} positions, tokens from {}", logits.positions,
                               report.from_text ? "a text" : fmt::format("seed {}", report.seed)));
  facts.add("logits", fmt::format("differ by at most {:.4g}, the largest is {:.4g}; by {:.3g}% in norm", logits.max_abs,
                                  logits.largest_logit, 100 * logits.relative()));
  facts.add("best token", fmt::format("the same at {} of {} positions", logits.same_best, logits.positions));
  facts.add("KL divergence", fmt::format("{:.4g} nats a position, {:.4g} at most", logits.kl_mean(), logits.kl_max));
  if (report.perplexity) {
    facts.add("perplexity", fmt::format("{:.6f} as stored, {:.6f} quantised", report.perplexity->stored,
                                        report.perplexity->quantised));
  }
  return facts.text();
}

std::string roles_text(const eval::QuantisationReport& report) {
  Table table({{"weights"},
               {"matrices", Align::kRight},
               {"bytes stored", Align::kRight},
               {"quantised", Align::kRight},
               {"relative error", Align::kRight},
               {"largest error", Align::kRight}});
  for (const eval::QuantisedRole& role : report.roles) {
    table.add({std::string(role.role), std::to_string(role.tensors), grouped(role.bytes.stored),
               grouped(role.bytes.quantised), fmt::format("{:.3f}%", 100 * role.error.relative()),
               fmt::format("{:.3g}", role.error.max_abs_error)});
  }
  return "\n" + table.text();
}

}  // namespace

Result<Exit> quantize(const QuantizeOptions& options, Output& output) {
  AMK_ASSIGN_OR_RETURN(const model::WeightFormat format, format_of(options.weights));
  AMK_ASSIGN_OR_RETURN(const model::Checkpoint stored, model::Checkpoint::open(options.model));
  eval::QuantisationRequest request;
  AMK_ASSIGN_OR_RETURN(request.ids, tokens_of(options, stored));
  ThreadPool pool(options.run.threads);
  Progress progress(output);
  progress.step("checking the weights");
  model::OpenOptions how;
  how.weights = format;
  AMK_ASSIGN_OR_RETURN(const model::Checkpoint quantised, model::Checkpoint::open(options.model, how));
  request.stored = &stored;
  request.quantised = &quantised;
  request.from_text = !options.text_file.empty();
  request.seed = options.seed;
  request.progress = [&](std::string_view step, uint32_t done, uint32_t of) { progress.step(step, done, of); };
  AMK_ASSIGN_OR_RETURN(const eval::QuantisationReport report, eval::report_quantisation(request, pool));
  progress.stop();
  if (output.json()) output.document(std::string_view(eval::quantisation_report_to_json(report)));
  output.text(facts_text(report) + roles_text(report));
  for (const std::string& note : report.notes) output.note(note);
  return Exit::kDone;
}

}  // namespace amk::cli
