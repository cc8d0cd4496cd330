#include "eval/trace_json.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace amk::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint32_t kSmsMax = 4096;  ///< more than any GPU has: a picture's rows

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json phase(const PhaseMean& mean) { return {{"mean_us", number(mean.mean_us)}, {"median_us", number(mean.median_us)}}; }

Json shares_json(const TimeShares& shares) {
  return {{"products_us", number(shares.products_us)},
          {"staging_us", number(shares.staging_us)},
          {"waiting_us", number(shares.waiting_us)},
          {"skew_us", number(shares.skew_us)},
          {"idle_us", number(shares.idle_us)},
          {"tail_us", number(shares.tail_us)},
          {"publishing_us", number(shares.publishing_us)}};
}

Json operations_json(const TraceSummary& summary) {
  Json out = Json::array();
  for (const OperationTimes& of : summary.operations) {
    out.push_back({{"operation", of.name},
                   {"instruction", of.instruction},
                   {"tasks", of.tasks},
                   {"levels", of.levels},
                   {"idle", phase(of.idle)},
                   {"waiting", phase(of.waiting)},
                   {"skew", phase(of.skew)},
                   {"staging", phase(of.staging)},
                   {"products", phase(of.products)},
                   {"publishing", phase(of.publishing)},
                   {"spread_us", number(of.spread_us)},
                   {"advance_us", number(of.advance_us)}});
  }
  return out;
}

Json levels_json(const TraceSummary& summary) {
  Json out = Json::array();
  for (const LevelTimes& level : summary.levels) {
    out.push_back({{"level", out.size()},
                   {"name", level.name},
                   {"tasks", level.tasks},
                   {"sms", level.sms},
                   {"first_us", number(level.first_us)},
                   {"median_us", number(level.median_us)},
                   {"last_us", number(level.last_us)},
                   {"spread_us", number(level.spread_us())},
                   {"advance_us", number(level.advance_us)}});
  }
  return out;
}

std::string text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// To a nanosecond, which is what the device's timer has.
double to_ns(double us) { return std::round(us * 1e3) / 1e3; }

Json slice(const std::string& name, const char* category, uint32_t sm, double begin, double end) {
  return {{"ph", "X"}, {"name", name},       {"cat", category},          {"pid", 0},
          {"tid", sm}, {"ts", to_ns(begin)}, {"dur", to_ns(end - begin)}};
}

}  // namespace

std::string trace_summary_to_json(const TraceSummary& summary) {
  const Json out = {{"span_us", number(summary.span_us)},
                    {"floor_us", summary.floor_us > 0 ? number(summary.floor_us) : Json(nullptr)},
                    {"sms", summary.sms},
                    {"bottleneck", bottleneck_name(summary.bottleneck())},
                    {"largest_loss", bottleneck_name(summary.largest_loss())},
                    {"stream_us", number(summary.stream_us())},
                    {"compute_us", number(summary.compute_us())},
                    {"wait_us", number(summary.wait_us())},
                    {"skew_us", number(summary.shares.skew_us)},
                    {"shares", shares_json(summary.shares)},
                    {"operations", operations_json(summary)},
                    {"levels", levels_json(summary)}};
  return text(out, 2);
}

std::string timeline_to_json(const Timeline& timeline) {
  Json tasks = Json::array();
  for (const TaskTimes& of : timeline.tasks) {
    tasks.push_back({of.sm, to_ns(of.begin_us), to_ns(of.inputs_us), to_ns(of.staged_us), to_ns(of.done_us),
                     to_ns(of.published_us)});
  }
  return text({{"sms", timeline.sms},
               {"span_us", number(timeline.span_us)},
               {"columns", {"sm", "begin_us", "inputs_us", "staged_us", "done_us", "published_us"}},
               {"tasks", std::move(tasks)}},
              -1);
}

Result<Timeline> timeline_from_json(std::string_view text, const std::string& location) {
  const auto refuse = [&](const std::string& found) {
    return Error{ErrorCode::kBadInput, "expected a timeline of amk trace, found " + found, location,
                 "amk trace --timeline --json writes one"};
  };
  try {
    const Json json = Json::parse(text);
    Timeline out;
    out.sms = json.at("sms").get<uint32_t>();
    out.span_us = json.at("span_us").get<double>();
    if (out.sms == 0 || out.sms > kSmsMax || !(out.span_us > 0)) return refuse("no SM or no time");
    for (const Json& row : json.at("tasks")) {
      TaskTimes of;
      of.sm = row.at(0).get<uint32_t>();
      of.begin_us = row.at(1).get<double>();
      of.inputs_us = row.at(2).get<double>();
      of.staged_us = row.at(3).get<double>();
      of.done_us = row.at(4).get<double>();
      of.published_us = row.at(5).get<double>();
      if (of.sm >= out.sms) return refuse("a task of SM " + std::to_string(of.sm));
      out.tasks.push_back(of);
    }
    return out;
  } catch (const Json::exception& problem) {
    return refuse(problem.what());
  }
}

std::string trace_to_perfetto(const TracedPass& pass, const Timeline& timeline) {
  Json events = Json::array();
  events.push_back({{"ph", "M"}, {"name", "process_name"}, {"pid", 0}, {"args", {{"name", pass.program->meta.model}}}});
  for (uint32_t sm = 0; sm < timeline.sms; ++sm) {
    events.push_back({{"ph", "M"},
                      {"name", "thread_name"},
                      {"pid", 0},
                      {"tid", sm},
                      {"args", {{"name", "SM " + std::to_string(sm)}}}});
  }
  for (const TaskTimes& times : timeline.tasks) {
    const schedule::Task& task = pass.program->tasks[times.task];
    Json whole = slice(task.label, "task", times.sm, times.begin_us, times.published_us);
    whole["args"] = {
        {"task", times.task}, {"instruction", abi::info(task.opcode).name}, {"skew_us", to_ns(times.skew_us)}};
    events.push_back(std::move(whole));
    const std::array<std::pair<const char*, double>, 4> phases = {{{"waiting", times.inputs_us},
                                                                   {"staging", times.staged_us},
                                                                   {"products", times.done_us},
                                                                   {"publishing", times.published_us}}};
    double begin = times.begin_us;
    for (const auto& [name, end] : phases) {
      if (end > begin) events.push_back(slice(name, "phase", times.sm, begin, end));
      begin = end;
    }
  }
  return text({{"displayTimeUnit", "ns"}, {"traceEvents", std::move(events)}}, -1);
}

}  // namespace amk::eval
