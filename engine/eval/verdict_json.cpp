#include "eval/verdict_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "ipc/protocol.h"

namespace amk::eval {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has neither NaN nor infinity: null.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json number(const std::optional<double>& value) { return value ? number(*value) : Json(nullptr); }

const char* kind_name(LatencyKind kind) { return kind == LatencyKind::kMeasuredGpu ? "measured-gpu" : "predicted"; }

Json findings(const Verdict& verdict) {
  Json out = Json::array();
  for (size_t i = 0; i < verdict.findings.size(); ++i) {
    const validator::Finding& finding = verdict.findings[i];
    const abi::RuleInfo& rule = abi::info(finding.rule);
    Json tasks = Json::array();
    for (const TaskId task : finding.tasks) tasks.push_back(task.index());
    Json entry = {{"rule", rule.id},
                  {"family", abi::kRuleFamilyNames[static_cast<size_t>(rule.family)]},
                  {"message", finding.message},
                  {"mend", finding.mend_words()},
                  {"tasks", std::move(tasks)},
                  {"labels", verdict.finding_names[i].tasks},
                  {"buffer", finding.buffer.valid() ? Json(finding.buffer.index()) : Json(nullptr)},
                  {"buffer_name", finding.buffer.valid() ? Json(verdict.finding_names[i].buffer) : Json(nullptr)},
                  {"begin", finding.begin},
                  {"end", finding.end},
                  {"text", verdict.finding_texts[i]}};
    out.push_back(std::move(entry));
  }
  return out;
}

std::string text(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string verdict_to_json(const Verdict& verdict) {
  const bool compared = verdict.compared_positions > 0;
  return text({{"valid", verdict.valid},
               {"verdict", validator::outcome_name(verdict.outcome)},
               {"findings", findings(verdict)},
               {"correct", verdict.correct},
               {"max_abs_err", compared ? number(verdict.max_abs_err) : Json(nullptr)},
               {"tolerance", compared ? number(verdict.tolerance) : Json(nullptr)},
               {"top1_agreement", compared ? number(verdict.top1_agreement) : Json(nullptr)},
               {"compared_positions", verdict.compared_positions},
               {"repeatable", verdict.repeatable},
               {"latency_us", number(verdict.latency_us)},
               {"latency_kind", verdict.latency_kind ? Json(kind_name(*verdict.latency_kind)) : Json(nullptr)},
               {"latency_position", verdict.latency_position},
               {"floor_us", number(verdict.floor_us)},
               {"pct_of_floor", number(verdict.pct_of_floor())},
               {"schedule_id", verdict.schedule_id},
               {"tasks", verdict.tasks},
               {"weight_mb", static_cast<double>(verdict.weight_bytes) / 1e6},
               {"model", verdict.model},
               {"gpu", verdict.gpu},
               {"device", verdict.device},
               {"fault", verdict.fault ? ipc::to_json(*verdict.fault) : Json(nullptr)},
               {"notes", verdict.notes}});
}

std::string findings_to_json(const Verdict& verdict) { return text(findings(verdict)); }

}  // namespace amk::eval
