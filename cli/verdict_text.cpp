#include "cli/verdict_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/table.h"
#include "eval/verdict_json.h"

namespace amk::cli {
namespace {

std::string numbered_findings(const eval::Verdict& verdict) {
  std::string out;
  for (size_t i = 0; i < verdict.finding_texts.size(); ++i) {
    out += fmt::format("{}. {}\n", i + 1, verdict.finding_texts[i]);
  }
  return out;
}

std::string correctness(const eval::Verdict& verdict) {
  if (verdict.compared_positions == 0) return "not established";
  return fmt::format(
      "{}: {} positions against the oracle, largest difference {:.3g} (allowed {:.3g}), best token {}",
      verdict.correct ? "yes" : "NO", verdict.compared_positions, verdict.max_abs_err, verdict.tolerance,
      verdict.top1_agreement >= 1 ? "always equal" : fmt::format("equal in {:.1f}%", 100 * verdict.top1_agreement));
}

std::string latency(const eval::Verdict& verdict) {
  if (!verdict.latency_us) return "none: only a correct program has one";
  const bool measured = verdict.latency_kind == eval::LatencyKind::kMeasuredGpu;
  return fmt::format("{:.1f} us a token, {} (at position {})", *verdict.latency_us,
                     measured ? "measured on the GPU" : "predicted", verdict.latency_position);
}

std::string floor(const eval::Verdict& verdict) {
  const std::string share =
      verdict.pct_of_floor() ? fmt::format("; the program reaches {:.1f}% of it", *verdict.pct_of_floor()) : "";
  return fmt::format("{:.1f} us: {} of weights at the sustained bandwidth{}", verdict.floor_us,
                     human_bytes(verdict.weight_bytes), share);
}

}  // namespace

std::string findings_text(const eval::Verdict& verdict) {
  return fmt::format("{}{}: {} tasks, {} finding{}\n", numbered_findings(verdict),
                     validator::outcome_name(verdict.outcome), grouped(verdict.tasks), verdict.findings.size(),
                     verdict.findings.size() == 1 ? "" : "s");
}

std::string verdict_text(const eval::Verdict& verdict) {
  Facts facts;
  facts.add("model", verdict.model);
  facts.add("gpu", verdict.gpu);
  facts.add("schedule", fmt::format("{}, {} tasks", verdict.schedule_id, grouped(verdict.tasks)));
  facts.add("validator",
            fmt::format("{}{}", validator::outcome_name(verdict.outcome),
                        verdict.findings.empty() ? "" : fmt::format(", {} findings", verdict.findings.size())));
  facts.add("correct", correctness(verdict));
  facts.add("run on", verdict.device);
  if (verdict.valid) {
    facts.add("latency", latency(verdict));
    facts.add("floor", floor(verdict));
  }
  for (const std::string& note : verdict.notes) facts.add("note", note);
  return facts.text() + numbered_findings(verdict);
}

Exit report_refusal(const eval::Verdict& verdict, Output& output) {
  const Json findings = Json::parse(eval::findings_to_json(verdict));
  output.document(
      Json{{"valid", verdict.valid}, {"verdict", validator::outcome_name(verdict.outcome)}, {"findings", findings}});
  output.note("expected a program that the validator accepts, found:\n" + findings_text(verdict));
  return Exit::kNegative;
}

}  // namespace amk::cli
