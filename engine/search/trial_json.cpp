#include "search/trial_json.h"

#include <cmath>
#include <limits>

#include "schedule/schedule_config_json.h"

namespace amk::search {
namespace {

/// JSON has no infinity and no NaN; null stands for them, and is read as infinity.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

double bound_from(const Json& json, double none) { return json.is_null() ? none : json.get<double>(); }

Json config_json(const schedule::ScheduleConfig& config) { return Json::parse(schedule::config_to_json(config)); }

Result<schedule::ScheduleConfig> config_from(const Json& json, const std::string& location) {
  return schedule::config_from_json(json.dump(), location);
}

const char* kind_name(eval::LatencyKind kind) {
  return kind == eval::LatencyKind::kMeasuredGpu ? "measured-gpu" : "predicted";
}

/// Throws Json::exception for a name that is none.
eval::LatencyKind kind_from(const Json& json) {
  const auto name = json.get<std::string>();
  for (const eval::LatencyKind kind : {eval::LatencyKind::kMeasuredGpu, eval::LatencyKind::kPredicted}) {
    if (name == kind_name(kind)) return kind;
  }
  throw Json::other_error::create(501, "expected measured-gpu or predicted, found " + name, nullptr);
}

Outcome outcome_from(const Json& json) {
  const auto name = json.get<std::string>();
  for (uint32_t i = 0; i < kOutcomeCount; ++i) {
    if (name == kOutcomeNames[i]) return static_cast<Outcome>(i);
  }
  throw Json::other_error::create(501, "expected an outcome of a trial, found " + name, nullptr);
}

Json to_json(const Measurement& of) {
  Json out = {
      {"latency_us", number(of.latency_us)},
      {"latency_kind", kind_name(of.kind)},
      {"incumbent_us", number(of.incumbent_us)},
      {"floor_us", number(of.floor_us)},
      {"ratio", {{"value", number(of.ratio.value)}, {"low", number(of.ratio.low)}, {"high", number(of.ratio.high)}}},
      {"blocks", of.blocks},
      {"position", of.position}};
  if (of.against) out["against"] = *of.against;
  return out;
}

/// Keys that older campaigns do not have are null or missing.
const Json* find_value(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

Measurement measurement_from(const Json& json) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Json& ratio = json.at("ratio");
  Measurement out;
  out.kind = kind_from(json.at("latency_kind"));
  out.latency_us = json.at("latency_us").get<double>();
  out.incumbent_us = json.at("incumbent_us").get<double>();
  out.floor_us = json.at("floor_us").get<double>();
  out.ratio = {ratio.at("value").get<double>(), bound_from(ratio.at("low"), -kInfinity),
               bound_from(ratio.at("high"), kInfinity)};
  out.blocks = json.at("blocks").get<uint32_t>();
  out.position = json.at("position").get<uint32_t>();
  if (const Json* against = find_value(json, "against")) out.against = against->get<uint32_t>();
  return out;
}

Json to_json(const Correctness& of) {
  return {{"correct", of.correct},
          {"repeatable", of.repeatable},
          {"max_abs_err", number(of.max_abs_err)},
          {"tolerance", number(of.tolerance)},
          {"compared_positions", of.compared_positions},
          {"device", of.device}};
}

Correctness correctness_from(const Json& json) {
  return {true,
          json.at("correct").get<bool>(),
          json.at("repeatable").get<bool>(),
          bound_from(json.at("max_abs_err"), std::numeric_limits<double>::infinity()),
          json.at("tolerance").get<double>(),
          json.at("compared_positions").get<uint32_t>(),
          json.at("device").get<std::string>()};
}

Json to_json(const ModelShape& of) {
  return {{"hidden", of.hidden},     {"layers", of.layers},     {"heads", of.heads},
          {"kv_heads", of.kv_heads}, {"head_dim", of.head_dim}, {"intermediate", of.intermediate},
          {"vocab", of.vocab},       {"tied", of.tied_head},    {"stored", of.stored}};
}

ModelShape shape_from(const Json& json) {
  return {
      json.at("hidden").get<uint32_t>(),   json.at("layers").get<uint32_t>(),   json.at("heads").get<uint32_t>(),
      json.at("kv_heads").get<uint32_t>(), json.at("head_dim").get<uint32_t>(), json.at("intermediate").get<uint32_t>(),
      json.at("vocab").get<uint32_t>(),    json.at("tied").get<bool>(),         json.at("stored").get<std::string>()};
}

template <size_t N>
uint32_t choice_from(const abi::ChoiceInfo (&values)[N], const Json& json) {
  const auto name = json.get<std::string>();
  for (uint32_t i = 0; i < N; ++i) {
    if (name == values[i].name) return i;
  }
  throw Json::other_error::create(501, "expected the name of a choice, found " + name, nullptr);
}

Json to_json(const ProgramFacts& of) {
  return {{"predicted_us", number(of.predicted_us)},
          {"stream_us", number(of.stream_us)},
          {"wait_us", number(of.wait_us)},
          {"floor_us", number(of.floor_us)},
          {"levels", of.levels},
          {"tasks", of.tasks},
          {"attention_tasks", of.attention_tasks},
          {"stages", of.stages},
          {"stage_bytes", of.stage_bytes},
          {"smem_bytes", of.smem_bytes},
          {"copies_in_flight", of.copies_in_flight},
          {"stream_backend", abi::kStreamBackendValues[static_cast<size_t>(of.stream_backend)].name},
          {"products", abi::kProductsValues[static_cast<size_t>(of.products)].name}};
}

ProgramFacts facts_from(const Json& json) {
  ProgramFacts out;
  out.predicted_us = json.at("predicted_us").get<double>();
  out.stream_us = json.at("stream_us").get<double>();
  out.wait_us = json.at("wait_us").get<double>();
  out.floor_us = json.at("floor_us").get<double>();
  out.levels = json.at("levels").get<uint32_t>();
  out.tasks = json.at("tasks").get<uint32_t>();
  out.attention_tasks = json.at("attention_tasks").get<uint32_t>();
  out.stages = json.at("stages").get<uint32_t>();
  out.stage_bytes = json.at("stage_bytes").get<uint32_t>();
  out.smem_bytes = json.at("smem_bytes").get<uint32_t>();
  out.copies_in_flight = json.at("copies_in_flight").get<uint32_t>();
  out.stream_backend =
      static_cast<abi::StreamBackend>(choice_from(abi::kStreamBackendValues, json.at("stream_backend")));
  out.products = static_cast<abi::Products>(choice_from(abi::kProductsValues, json.at("products")));
  return out;
}

/// `read` of the parsed text; what does not fit is kBadInput.
template <typename T, typename Read>
Result<T> reading(std::string_view text, const std::string& location, const Read& read) {
  try {
    return read(Json::parse(text));
  } catch (const Json::exception& problem) {
    return Error{ErrorCode::kBadInput, std::string("expected what a campaign writes: ") + problem.what(), location, ""};
  }
}

}  // namespace

std::string plain_text(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

Json to_json(const Trial& trial) {
  const Proposal& proposal = trial.proposal;
  return {{"trial", trial.number},
          {"outcome", kOutcomeNames[static_cast<size_t>(trial.outcome)]},
          {"reason", trial.reason},
          {"change", proposal.change},
          {"knob", proposal.knob},
          {"proposer", proposal.proposer},
          {"note", proposal.note},
          {"schedule_id", trial.schedule_id},
          {"kernel_hash", trial.kernel_hash},
          {"correctness", trial.correctness.established ? to_json(trial.correctness) : Json(nullptr)},
          {"measurement", trial.measurement ? to_json(*trial.measurement) : Json(nullptr)},
          {"program", trial.facts ? to_json(*trial.facts) : Json(nullptr)},
          {"prior_us", proposal.prior_us ? number(*proposal.prior_us) : Json(nullptr)},
          {"seconds", number(trial.seconds)},
          {"schedule", config_json(proposal.config)}};
}

Json to_json(const Incumbent& incumbent) {
  return {{"trial", incumbent.trial},
          {"schedule_id", incumbent.schedule_id},
          {"latency_us", number(incumbent.latency_us)},
          {"floor_us", number(incumbent.floor_us)},
          {"schedule", config_json(incumbent.config)}};
}

Json to_json(const CampaignHeader& header) {
  Json out = {{"model", header.model},
              {"model_name", header.model_name},
              {"target", header.target},
              {"device", header.device},
              {"weights", header.weights},
              {"kv_dtype", header.kv_dtype},
              {"context", header.context},
              {"position", header.position},
              {"latency_kind", kind_name(header.kind)},
              {"seed", header.seed},
              {"min_gain", header.min_gain},
              {"compared_positions", header.compared_positions}};
  if (header.shape) out["shape"] = to_json(*header.shape);
  if (!header.prior.empty()) out["prior"] = header.prior;
  return out;
}

Result<Trial> trial_from_json(std::string_view text, const std::string& location) {
  return reading<Trial>(text, location, [&](const Json& json) -> Result<Trial> {
    Trial out;
    AMK_ASSIGN_OR_RETURN(out.proposal.config, config_from(json.at("schedule"), location));
    out.number = json.at("trial").get<uint32_t>();
    out.outcome = outcome_from(json.at("outcome"));
    out.reason = json.at("reason").get<std::string>();
    out.proposal.change = json.at("change").get<std::string>();
    out.proposal.knob = json.at("knob").get<std::string>();
    out.proposal.proposer = json.at("proposer").get<std::string>();
    out.proposal.note = json.at("note").get<std::string>();
    out.schedule_id = json.at("schedule_id").get<std::string>();
    out.kernel_hash = json.at("kernel_hash").get<std::string>();
    if (!json.at("correctness").is_null()) out.correctness = correctness_from(json.at("correctness"));
    if (!json.at("measurement").is_null()) out.measurement = measurement_from(json.at("measurement"));
    if (const Json* facts = find_value(json, "program")) out.facts = facts_from(*facts);
    if (const Json* prior = find_value(json, "prior_us")) out.proposal.prior_us = prior->get<double>();
    out.seconds = bound_from(json.at("seconds"), 0);
    return out;
  });
}

Result<Incumbent> incumbent_from_json(std::string_view text, const std::string& location) {
  return reading<Incumbent>(text, location, [&](const Json& json) -> Result<Incumbent> {
    Incumbent out;
    AMK_ASSIGN_OR_RETURN(out.config, config_from(json.at("schedule"), location));
    out.trial = json.at("trial").get<uint32_t>();
    out.schedule_id = json.at("schedule_id").get<std::string>();
    out.latency_us = json.at("latency_us").get<double>();
    out.floor_us = json.at("floor_us").get<double>();
    return out;
  });
}

Result<CampaignHeader> header_from_json(std::string_view text, const std::string& location) {
  return reading<CampaignHeader>(text, location, [&](const Json& json) -> Result<CampaignHeader> {
    CampaignHeader out;
    out.model = json.at("model").get<std::string>();
    out.model_name = json.at("model_name").get<std::string>();
    out.target = json.at("target").get<std::string>();
    out.device = json.at("device").get<std::string>();
    out.weights = json.at("weights").get<std::string>();
    out.kv_dtype = json.at("kv_dtype").get<std::string>();
    out.context = json.at("context").get<uint32_t>();
    out.position = json.at("position").get<uint32_t>();
    out.kind = kind_from(json.at("latency_kind"));
    out.seed = json.at("seed").get<uint64_t>();
    if (const Json* shape = find_value(json, "shape")) out.shape = shape_from(*shape);
    if (const Json* prior = find_value(json, "prior")) out.prior = prior->get<std::string>();
    if (const Json* gain = find_value(json, "min_gain")) out.min_gain = gain->get<double>();
    if (const Json* positions = find_value(json, "compared_positions"))
      out.compared_positions = positions->get<uint32_t>();
    return out;
  });
}

}  // namespace amk::search
