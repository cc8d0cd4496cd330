// amk bench: the megakernel against its rivals on this machine's GPU.

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/files.h"
#include "cli/job.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/verbs/verbs.h"
#include "cli/verdict_text.h"
#include "eval/bench_report_json.h"
#include "eval/benchmark.h"
#include "eval/evaluate.h"

namespace amk::cli {
namespace {

/// "0,2047".
Result<std::vector<uint32_t>> parse_positions(const std::string& text) {
  std::vector<uint32_t> out;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at <= end) {
    uint32_t value = 0;
    const auto [stop, problem] = std::from_chars(at, end, value);
    if (problem != std::errc() || (stop != end && *stop != ',')) {
      return Error{ErrorCode::kUsage, fmt::format("expected numbers with commas between them, found '{}'", text),
                   "--positions", "for example --positions 0,2047"};
    }
    out.push_back(value);
    if (stop == end) break;
    at = stop + 1;
  }
  return out;
}

std::string facts_text(const eval::BenchReport& report) {
  Facts facts;
  facts.add("program", fmt::format("{} for {}, schedule {}, weights {}, KV caches {}, context {}", report.model,
                                   report.target, report.schedule_id, report.weights, report.kv_dtype, report.context));
  facts.add("device", fmt::format("{}, {} SMs, CUDA {}, cuBLAS {}", report.device, report.sms, report.driver,
                                  report.cublas.empty() ? "none" : report.cublas));
  facts.add("correct", fmt::format("{}: {} with the oracle{}", report.correct() ? "yes" : "NO", report.agreement.text(),
                                   report.repeatable ? "" : "; two runs gave different bits"));
  if (report.rival_agreement) {
    facts.add("rival", fmt::format("{}: {} with the megakernel", report.rival_agreement->agrees() ? "correct" : "WRONG",
                                   report.rival_agreement->text()));
  }
  if (report.bandwidth_bytes_per_second > 0)
    facts.add("bandwidth", fmt::format("{:.0f} GB/s read by a plain kernel", report.bandwidth_bytes_per_second / 1e9));
  return facts.text();
}

std::string times_text(const eval::BenchReport& report) {
  Table table({{"position", Align::kRight},
               {"contender"},
               {"weights"},
               {"median us", Align::kRight},
               {"p10", Align::kRight},
               {"p90", Align::kRight},
               {"floor us", Align::kRight},
               {"of floor", Align::kRight},
               {"x megakernel (95%)"}});
  for (const eval::PositionTimes& at : report.positions) {
    for (const eval::ContenderTimes& of : at.contenders) {
      table.add({std::to_string(at.position), of.name, of.weights, fmt::format("{:.1f}", of.latency_us.median),
                 fmt::format("{:.1f}", of.latency_us.p10), fmt::format("{:.1f}", of.latency_us.p90),
                 fmt::format("{:.1f}", of.floor_us), fmt::format("{:.1f}%", of.pct_of_floor()),
                 of.ratio ? fmt::format("{:.3f} ({:.3f} to {:.3f})", of.ratio->value, of.ratio->low, of.ratio->high)
                          : std::string()});
    }
  }
  if (table.empty()) return "\nno latency without correctness\n";
  return fmt::format("\nOne token, {} paired rounds\n{}", report.rounds, table.text());
}

}  // namespace

Result<Exit> bench(const BenchOptions& options, Output& output) {
  AMK_ASSIGN_OR_RETURN(const std::vector<uint32_t> positions, parse_positions(options.positions));
  AMK_ASSIGN_OR_RETURN(const Job job, prepare(options.model, options.schedule));
  AMK_ASSIGN_OR_RETURN(const MeasuringGpu gpu, find_gpu(job));
  AMK_ASSIGN_OR_RETURN(schedule::Program program, lower(job));
  const validator::Validation validation = validator::validate(std::move(program));
  if (!validation.validated) return report_refusal(eval::verdict_of(validation), output);
  Progress progress(output);
  eval::BenchRequest request;
  request.positions = positions;
  request.rounds = options.rounds;
  request.checked = options.checked;
  request.seed = options.seed;
  request.rivals = !options.no_rivals;
  AMK_ASSIGN_OR_RETURN(eval::BenchReport report, eval::run_benchmark(request, *validation.validated, job.checkpoint,
                                                                     gpu.measurer(options.run, progress)));
  progress.stop();
  report.notes.insert(report.notes.end(), job.notes.begin(), job.notes.end());
  if (!options.svg_file.empty() && report.correct())
    AMK_TRY(write_file_atomic(options.svg_file, eval::bench_svg(report)));
  if (output.json()) output.document(std::string_view(eval::bench_report_to_json(report, options.samples)));
  output.text(facts_text(report) + times_text(report));
  for (const std::string& note : report.notes) output.note(note);
  return report.correct() ? Exit::kDone : Exit::kNegative;
}

}  // namespace amk::cli
