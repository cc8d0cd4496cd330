#include "eval/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "eval/measurement_json.h"

namespace amk::eval {
namespace {

/// What is known before anything is measured.
BenchReport describe(const BenchRequest& request, const schedule::Program& program,
                     const model::Checkpoint& checkpoint) {
  BenchReport report;
  report.model = program.meta.model;
  report.schedule_id = program.meta.schedule_id;
  report.target = program.target;
  report.weights = abi::dtype_name(checkpoint.dtype_of("model.layers.0.self_attn.q_proj.weight"));
  report.kv_dtype = abi::dtype_name(schedule::kv_dtype(program));
  report.context = program.meta.context;
  report.rounds = request.rounds;
  report.seed = request.seed;
  return report;
}

bool is_known(const std::string& contender) {
  const std::array<const char*, 3> names = {kMegakernel, kProjections, kGraphStep};
  return std::ranges::count(names, contender) == 1;
}

bool are_times(const std::vector<double>& samples, uint32_t rounds) {
  return samples.size() == rounds &&
         std::ranges::all_of(samples, [](double us) { return std::isfinite(us) && us >= 0; });
}

/// What of a measurement does not fit its request; empty where all does.
std::string misfit(const BenchReport& report, const BenchRequest& request) {
  if (!report.correct()) return report.positions.empty() ? "" : "times of a megakernel that is not correct";
  if (!(report.bandwidth_bytes_per_second > 0)) return "no bandwidth";
  if (!std::ranges::equal(report.positions, request.positions, {}, &PositionTimes::position))
    return "times of other positions than it was asked for";
  for (const PositionTimes& at : report.positions) {
    if (at.contenders.empty() || at.contenders.front().name != kMegakernel) return "no times of the megakernel";
    for (const ContenderTimes& of : at.contenders) {
      if (!is_known(of.name)) return fmt::format("a contender '{}'", of.name);
      if (!are_times(of.samples_us, request.rounds))
        return fmt::format("{} times of {}, not {}, or some that are none", of.samples_us.size(), of.name,
                           request.rounds);
    }
  }
  return "";
}

void add_floors(BenchReport& report) {
  for (PositionTimes& at : report.positions) {
    for (ContenderTimes& of : at.contenders)
      of.floor_us = static_cast<double>(of.bytes) / report.bandwidth_bytes_per_second * 1e6;
  }
}

}  // namespace

Result<BenchReport> run_benchmark(const BenchRequest& request, const validator::ValidatedProgram& program,
                                  const model::Checkpoint& checkpoint, const Measurer& measurer) {
  AMK_ASSIGN_OR_RETURN(const ipc::Json reply, measurer.ask("bench", to_json(request), program, checkpoint));
  BenchReport report = describe(request, program.program(), checkpoint);
  try {
    read_measured(reply, report);
  } catch (const ipc::Json::exception& problem) {
    return measurer.nonsense(problem.what());
  }
  if (const std::string found = misfit(report, request); !found.empty()) return measurer.nonsense(found);
  add_floors(report);
  summarize_samples(report);
  return report;
}

}  // namespace amk::eval
