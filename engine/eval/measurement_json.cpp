#include "eval/measurement_json.h"

#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "eval/packed_values.h"

namespace amk::eval {
namespace {

using ipc::Json;

constexpr std::array<std::pair<Stage, std::string_view>, 7> kStages = {{{Stage::kLoad, "load"},
                                                                        {Stage::kOracle, "oracle"},
                                                                        {Stage::kRival, "rival"},
                                                                        {Stage::kBandwidth, "bandwidth"},
                                                                        {Stage::kHistory, "history"},
                                                                        {Stage::kRounds, "rounds"},
                                                                        {Stage::kTracing, "tracing"}}};

/// JSON has no NaN and no infinity: either is null, and NaN when it is read.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
double number_from(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

Json agreement_json(const Agreement& agreement) {
  return {{"positions", agreement.positions},
          {"max_abs_err", number(agreement.max_abs_err)},
          {"tolerance", number(agreement.tolerance)},
          {"different_tokens", agreement.different_tokens}};
}

Json agreement_json(const std::optional<Agreement>& agreement) {
  return agreement ? agreement_json(*agreement) : Json(nullptr);
}

Agreement agreement_from(const Json& json) {
  return {json.at("positions").get<uint32_t>(), number_from(json.at("max_abs_err")), number_from(json.at("tolerance")),
          json.at("different_tokens").get<uint32_t>()};
}

std::optional<Agreement> optional_agreement_from(const Json& json) {
  return json.is_null() ? std::optional<Agreement>() : agreement_from(json);
}

Json contender_json(const ContenderTimes& of) {
  return {{"name", of.name},
          {"weights", of.weights},
          {"bytes", of.bytes},
          {"samples_us", of.samples_us},
          {"agreement", agreement_json(of.agreement)}};
}

ContenderTimes contender_from(const Json& json) {
  ContenderTimes out;
  out.name = json.at("name").get<std::string>();
  out.weights = json.at("weights").get<std::string>();
  out.bytes = json.at("bytes").get<uint64_t>();
  out.samples_us = json.at("samples_us").get<std::vector<double>>();
  out.agreement = optional_agreement_from(json.at("agreement"));
  return out;
}

PositionTimes position_from(const Json& json) {
  PositionTimes out;
  out.position = json.at("position").get<uint32_t>();
  for (const Json& of : json.at("contenders")) out.contenders.push_back(contender_from(of));
  return out;
}

}  // namespace

Json to_json(const StageProgress& progress) {
  std::string_view name;
  for (const auto& [stage, known] : kStages) {
    if (stage == progress.stage) name = known;
  }
  return {{"stage", name}, {"position", progress.position}, {"done", progress.done}, {"of", progress.of}};
}

std::optional<StageProgress> stage_progress_from(const Json& json) {
  try {
    const auto name = json.at("stage").get<std::string>();
    for (const auto& [stage, known] : kStages) {
      if (name != known) continue;
      return StageProgress{stage, json.at("position").get<uint32_t>(), json.at("done").get<uint32_t>(),
                           json.at("of").get<uint32_t>()};
    }
  } catch (const Json::exception&) {
    return std::nullopt;
  }
  return std::nullopt;
}

Json to_json(const BenchRequest& request) {
  return {{"positions", request.positions}, {"rounds", request.rounds}, {"warm_ups", request.warm_ups},
          {"checked", request.checked},     {"seed", request.seed},     {"rivals", request.rivals}};
}

BenchRequest bench_request_from(const Json& json) {
  return {json.at("positions").get<std::vector<uint32_t>>(),
          json.at("rounds").get<uint32_t>(),
          json.at("warm_ups").get<uint32_t>(),
          json.at("checked").get<uint32_t>(),
          json.at("seed").get<uint64_t>(),
          json.at("rivals").get<bool>()};
}

Json to_json(const BenchReport& measured) {
  Json positions = Json::array();
  for (const PositionTimes& at : measured.positions) {
    Json contenders = Json::array();
    for (const ContenderTimes& of : at.contenders) contenders.push_back(contender_json(of));
    positions.push_back({{"position", at.position}, {"contenders", std::move(contenders)}});
  }
  return {{"device", measured.device},
          {"sms", measured.sms},
          {"driver", measured.driver},
          {"cublas", measured.cublas},
          {"agreement", agreement_json(measured.agreement)},
          {"repeatable", measured.repeatable},
          {"rival_agreement", agreement_json(measured.rival_agreement)},
          {"bandwidth", number(measured.bandwidth_bytes_per_second)},
          {"positions", std::move(positions)},
          {"notes", measured.notes}};
}

void read_measured(const Json& json, BenchReport& report) {
  report.device = json.at("device").get<std::string>();
  report.sms = json.at("sms").get<uint32_t>();
  report.driver = json.at("driver").get<std::string>();
  report.cublas = json.at("cublas").get<std::string>();
  report.agreement = agreement_from(json.at("agreement"));
  report.repeatable = json.at("repeatable").get<bool>();
  report.rival_agreement = optional_agreement_from(json.at("rival_agreement"));
  report.bandwidth_bytes_per_second = number_from(json.at("bandwidth"));
  for (const Json& at : json.at("positions")) report.positions.push_back(position_from(at));
  for (const Json& note : json.at("notes")) report.notes.push_back(note.get<std::string>());
}

Json to_json(const TraceRequest& request) {
  return {{"position", request.position}, {"runs", request.runs}, {"checked", request.checked}, {"seed", request.seed}};
}

TraceRequest trace_request_from(const Json& json) {
  return {json.at("position").get<uint32_t>(), json.at("runs").get<uint32_t>(), json.at("checked").get<uint32_t>(),
          json.at("seed").get<uint64_t>()};
}

Json to_json(const TraceRun& run) {
  return {{"device", run.device},
          {"agreement", agreement_json(run.agreement)},
          {"repeatable", run.repeatable},
          {"floor_us", number(run.floor_us)},
          {"bandwidth", number(run.bandwidth_bytes_per_second)},
          {"spans_us", run.spans_us},
          {"tasks", run.tasks},
          {"queue_begin", run.queue_begin},
          {"records", pack_values(run.records)}};
}

Result<TraceRun> trace_run_from(const Json& json) {
  TraceRun out;
  out.device = json.at("device").get<std::string>();
  out.agreement = agreement_from(json.at("agreement"));
  out.repeatable = json.at("repeatable").get<bool>();
  out.floor_us = number_from(json.at("floor_us"));
  out.bandwidth_bytes_per_second = number_from(json.at("bandwidth"));
  out.spans_us = json.at("spans_us").get<std::vector<double>>();
  out.tasks = json.at("tasks").get<std::vector<uint32_t>>();
  out.queue_begin = json.at("queue_begin").get<std::vector<uint32_t>>();
  AMK_ASSIGN_OR_RETURN(out.records,
                       unpack_values<device::TraceRecord>(json.at("records").get<std::string>(), out.tasks.size()));
  return out;
}

}  // namespace amk::eval
