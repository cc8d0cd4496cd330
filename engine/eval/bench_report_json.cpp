#include "eval/bench_report_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace amk::eval {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json agreement_json(const std::optional<Agreement>& agreement) {
  if (!agreement) return nullptr;
  return {{"agrees", agreement->agrees()},
          {"positions", agreement->positions},
          {"max_abs_err", number(agreement->max_abs_err)},
          {"tolerance", number(agreement->tolerance)},
          {"different_tokens", agreement->different_tokens}};
}

Json ratio_json(const std::optional<Estimate>& ratio) {
  if (!ratio) return nullptr;
  return {{"value", number(ratio->value)}, {"low", number(ratio->low)}, {"high", number(ratio->high)}};
}

Json contender_json(const ContenderTimes& of, bool samples) {
  Json out = {{"name", of.name},
              {"weights", of.weights},
              {"bytes", of.bytes},
              {"floor_us", number(of.floor_us)},
              {"latency_us", number(of.latency_us.median)},
              {"p10_us", number(of.latency_us.p10)},
              {"p90_us", number(of.latency_us.p90)},
              {"pct_of_floor", number(of.pct_of_floor())},
              {"ratio", ratio_json(of.ratio)},
              {"agreement", agreement_json(of.agreement)}};
  if (!samples) return out;
  Json times = Json::array();
  for (const double us : of.samples_us) times.push_back(number(us));
  out["samples_us"] = std::move(times);
  return out;
}

}  // namespace

std::string bench_report_to_json(const BenchReport& report, bool samples) {
  Json positions = Json::array();
  for (const PositionTimes& at : report.positions) {
    Json contenders = Json::array();
    for (const ContenderTimes& of : at.contenders) contenders.push_back(contender_json(of, samples));
    positions.push_back({{"position", at.position}, {"contenders", std::move(contenders)}});
  }
  const bool measured = report.bandwidth_bytes_per_second > 0;
  const Json out = {{"model", report.model},
                    {"gpu", report.target},
                    {"schedule_id", report.schedule_id},
                    {"device", report.device},
                    {"sms", report.sms},
                    {"driver", report.driver},
                    {"cublas", report.cublas.empty() ? Json(nullptr) : Json(report.cublas)},
                    {"weights", report.weights},
                    {"kv_dtype", report.kv_dtype},
                    {"context", report.context},
                    {"rounds", report.rounds},
                    {"seed", report.seed},
                    {"correct", report.correct()},
                    {"repeatable", report.repeatable},
                    {"agreement", agreement_json(report.agreement)},
                    {"rival_agreement", agreement_json(report.rival_agreement)},
                    {"bandwidth_gbps", measured ? number(report.bandwidth_bytes_per_second / 1e9) : Json(nullptr)},
                    {"positions", std::move(positions)},
                    {"notes", report.notes}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace amk::eval
