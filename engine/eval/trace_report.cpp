#include "eval/trace_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <utility>

#include "eval/program_report.h"

namespace amk::eval {
namespace {

using schedule::Program;
using schedule::Task;

double mean(std::span<const double> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

PhaseMean phase_mean(const std::vector<double>& values) { return {mean(values), median(values)}; }

/// "l3.qkv" of "l3.qkv[0:4]".
std::string without_slice(const std::string& label) { return label.substr(0, label.find('[')); }

/// "qkv" of "l3.qkv[0:4]".
std::string operation_name(const std::string& label) {
  const std::string name = without_slice(label);
  const size_t dot = name.find('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

Status check(const TracedPass& pass) {
  const size_t places = pass.tasks.size();
  const size_t tasks = pass.program->tasks.size();
  if (pass.records.size() != places || pass.queue_begin.empty() || pass.queue_begin.back() != places) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a record a place, {} in all, found {} records and queues of {}", places,
                             pass.records.size(), pass.queue_begin.empty() ? 0 : pass.queue_begin.back()),
                 "trace", ""};
  }
  for (size_t place = 0; place < places; ++place) {
    const uint32_t task = pass.tasks[place];
    if (task >= tasks)
      return Error{ErrorCode::kUsage, fmt::format("expected a task below {}, found {}", tasks, task), "trace", ""};
    if (pass.records[place].begin == 0 || pass.records[place].published == 0) {
      return Error{ErrorCode::kInternal,
                   fmt::format("task {} '{}' has no record", task, pass.program->tasks[task].label), "trace", ""};
    }
  }
  return {};
}

/// When a counter's producers ended.
struct Produced {
  std::vector<double> ends;  ///< sorted
  double mean = 0;
};

std::vector<Produced> produced_by(const TracedPass& pass, const Timeline& timeline) {
  std::vector<Produced> out(pass.program->counters.size());
  for (const TaskTimes& times : timeline.tasks) {
    out[pass.program->tasks[times.task].signal.index()].ends.push_back(times.published_us);
  }
  for (Produced& produced : out) {
    std::sort(produced.ends.begin(), produced.ends.end());
    produced.mean = mean(produced.ends);
  }
  return out;
}

/// When the task's last wait was fulfilled, and the mean end of that counter's producers.
std::pair<double, double> inputs_at(const Task& task, const Program& program, const std::vector<Produced>& produced) {
  std::pair<double, double> out{0, 0};
  for (const schedule::Wait& wait : task.waits) {
    const Produced& by = produced[wait.counter.index()];
    const uint32_t initial = program.counters[wait.counter.index()].initial;
    if (by.ends.empty() || wait.threshold <= initial) continue;
    const size_t count = std::min<size_t>(wait.threshold - initial, by.ends.size());
    if (by.ends[count - 1] > out.first) out = {by.ends[count - 1], by.mean};
  }
  return out;
}

/// Fills in what the records alone do not say. Under packets a task looks for its input where it stages it, so that the
/// wait is in the staging; the producers' ends tell the two apart under either protocol.
void split_waiting(const TracedPass& pass, Timeline& timeline) {
  const std::vector<Produced> produced = produced_by(pass, timeline);
  for (TaskTimes& times : timeline.tasks) {
    const auto [last, mean_end] = inputs_at(pass.program->tasks[times.task], *pass.program, produced);
    const double limit = times.staged_us > 0 ? times.staged_us : times.done_us;
    times.inputs_us = std::clamp(std::max(times.inputs_us, last), times.begin_us, limit);
    times.staged_us = std::max(times.staged_us, times.inputs_us);
    times.skew_us = std::clamp(last - mean_end, 0.0, times.waiting());
  }
}

struct Gathered {
  std::vector<double> idle, waiting, skew, staging, products, publishing;
  void add(const TaskTimes& times) {
    idle.push_back(times.idle());
    waiting.push_back(times.waiting());
    skew.push_back(times.skew_us);
    staging.push_back(times.staging());
    products.push_back(times.products());
    publishing.push_back(times.publishing());
  }
};

/// Ends of a level's SMs: the last task of each.
using EndsBySm = std::map<uint32_t, double>;

std::vector<LevelTimes> levels_of(const TracedPass& pass, const Timeline& timeline,
                                  const std::vector<uint32_t>& level_of) {
  std::vector<LevelTimes> levels;
  std::vector<EndsBySm> ends;
  for (const TaskTimes& times : timeline.tasks) {
    const uint32_t at = level_of[times.task];
    if (levels.size() <= at) {
      levels.resize(at + 1);
      ends.resize(at + 1);
    }
    if (levels[at].tasks++ == 0) levels[at].name = without_slice(pass.program->tasks[times.task].label);
    double& end = ends[at][times.sm];
    end = std::max(end, times.published_us);
  }
  double front = 0;
  for (size_t i = 0; i < levels.size(); ++i) {
    std::vector<double> sorted;
    for (const auto& [sm, end] : ends[i]) sorted.push_back(end);
    if (sorted.empty()) continue;
    std::sort(sorted.begin(), sorted.end());
    levels[i].sms = static_cast<uint32_t>(sorted.size());
    levels[i].first_us = sorted.front();
    levels[i].median_us = median(sorted);
    levels[i].last_us = sorted.back();
    levels[i].advance_us = std::max(0.0, sorted.back() - front);
    front = std::max(front, sorted.back());
  }
  return levels;
}

std::vector<OperationTimes> operations_of(const TracedPass& pass, const Timeline& timeline,
                                          const std::vector<uint32_t>& level_of,
                                          const std::vector<LevelTimes>& levels) {
  using Key = std::pair<std::string, abi::Opcode>;
  struct Found {
    uint32_t first_level = UINT32_MAX;
    Gathered gathered;
    std::vector<uint32_t> levels;
  };
  std::map<Key, Found> found;
  for (const TaskTimes& times : timeline.tasks) {
    const Task& task = pass.program->tasks[times.task];
    Found& of = found[{operation_name(task.label), task.opcode}];
    of.first_level = std::min(of.first_level, level_of[times.task]);
    of.gathered.add(times);
    of.levels.push_back(level_of[times.task]);
  }
  std::vector<std::pair<uint32_t, OperationTimes>> ordered;
  for (auto& [key, of] : found) {
    std::sort(of.levels.begin(), of.levels.end());
    of.levels.erase(std::unique(of.levels.begin(), of.levels.end()), of.levels.end());
    OperationTimes out;
    out.name = key.first;
    out.instruction = abi::info(key.second).name;
    out.tasks = static_cast<uint32_t>(of.gathered.idle.size());
    out.levels = static_cast<uint32_t>(of.levels.size());
    out.idle = phase_mean(of.gathered.idle);
    out.waiting = phase_mean(of.gathered.waiting);
    out.skew = phase_mean(of.gathered.skew);
    out.staging = phase_mean(of.gathered.staging);
    out.products = phase_mean(of.gathered.products);
    out.publishing = phase_mean(of.gathered.publishing);
    for (const uint32_t level : of.levels) {
      out.spread_us += levels[level].spread_us() / static_cast<double>(of.levels.size());
      out.advance_us += levels[level].advance_us;
    }
    ordered.emplace_back(of.first_level, std::move(out));
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<OperationTimes> out;
  for (auto& entry : ordered) out.push_back(std::move(entry.second));
  return out;
}

TimeShares shares_of(const TracedPass& pass, const Timeline& timeline) {
  TimeShares out;
  for (const TaskTimes& times : timeline.tasks) {
    out.idle_us += times.idle();
    out.waiting_us += times.waiting() - times.skew_us;
    out.skew_us += times.skew_us;
    out.staging_us += times.staging();
    out.products_us += times.products();
    out.publishing_us += times.publishing();
  }
  for (uint32_t sm = 0; sm < timeline.sms; ++sm) {
    const uint32_t begin = pass.queue_begin[sm];
    const uint32_t end = pass.queue_begin[sm + 1];
    out.tail_us += timeline.span_us - (begin == end ? 0 : timeline.tasks[end - 1].published_us);
  }
  for (double* value : {&out.idle_us, &out.waiting_us, &out.skew_us, &out.staging_us, &out.products_us,
                        &out.publishing_us, &out.tail_us}) {
    *value /= std::max(1.0, static_cast<double>(timeline.sms));
  }
  return out;
}

std::string cell(const PhaseMean& phase) { return fmt::format("{:.2f}/{:.2f}", phase.mean_us, phase.median_us); }

}  // namespace

Result<Timeline> timeline_of(const TracedPass& pass) {
  AMK_TRY(check(pass));
  Timeline out;
  out.sms = static_cast<uint32_t>(pass.queue_begin.size() - 1);
  out.tasks.resize(pass.records.size());
  uint64_t start = UINT64_MAX;
  for (const device::TraceRecord& record : pass.records) start = std::min(start, record.begin);
  const auto since = [start](uint64_t ns) { return static_cast<double>(ns - start) / 1e3; };
  for (uint32_t sm = 0; sm < out.sms; ++sm) {
    uint64_t clock = start;  // of the SM: no stamp lies before the one before it
    for (uint32_t place = pass.queue_begin[sm]; place < pass.queue_begin[sm + 1]; ++place) {
      const device::TraceRecord& record = pass.records[place];
      TaskTimes& times = out.tasks[place];
      const auto next = [&](uint64_t stamp) { return since(clock = std::max(clock, stamp)); };
      times.task = pass.tasks[place];
      times.sm = sm;
      times.free_us = since(clock);
      times.begin_us = next(record.begin);
      times.inputs_us = next(record.ready);
      // Instructions that are no products have one phase of work, and no stamp where it begins. A stamp from before the
      // task's begin is an earlier pass's.
      times.staged_us = record.staged > record.begin ? next(record.staged) : 0;
      times.done_us = next(record.done);
      times.published_us = next(record.published);
      out.span_us = std::max(out.span_us, times.published_us);
    }
  }
  split_waiting(pass, out);
  return out;
}

const char* bottleneck_name(Bottleneck bottleneck) {
  switch (bottleneck) {
    case Bottleneck::kStream:
      return "stream";
    case Bottleneck::kCompute:
      return "compute";
    case Bottleneck::kWait:
      return "wait";
    case Bottleneck::kSkew:
      return "skew";
  }
  return "wait";
}

double TraceSummary::stream_us() const {
  return floor_us > 0 ? std::min(floor_us, shares.products_us) : shares.products_us;
}
double TraceSummary::compute_us() const { return shares.products_us - stream_us(); }
double TraceSummary::wait_us() const {
  return shares.idle_us + shares.waiting_us + shares.staging_us + shares.publishing_us + shares.tail_us;
}

Bottleneck TraceSummary::bottleneck() const {
  const Bottleneck loss = largest_loss();
  const double losses = std::max({compute_us(), wait_us(), shares.skew_us});
  return stream_us() >= losses ? Bottleneck::kStream : loss;
}

Bottleneck TraceSummary::largest_loss() const {
  if (wait_us() >= std::max(compute_us(), shares.skew_us)) return Bottleneck::kWait;
  return compute_us() >= shares.skew_us ? Bottleneck::kCompute : Bottleneck::kSkew;
}

TraceSummary summarize_trace(const TracedPass& pass, const Timeline& timeline, double floor_us) {
  TraceSummary out;
  out.span_us = timeline.span_us;
  out.floor_us = floor_us;
  out.sms = timeline.sms;
  const std::vector<uint32_t> level_of = task_levels(*pass.program);
  out.levels = levels_of(pass, timeline, level_of);
  out.operations = operations_of(pass, timeline, level_of, out.levels);
  out.shares = shares_of(pass, timeline);
  return out;
}

std::string trace_text(const TraceSummary& summary) {
  const double span = std::max(summary.span_us, 1e-9);
  const auto share = [&](double us) { return fmt::format("{:.1f} us ({:.1f}%)", us, 100 * us / span); };
  std::string out =
      fmt::format("span {:.1f} us on {} SMs, {} levels", summary.span_us, summary.sms, summary.levels.size());
  if (summary.floor_us > 0)
    out += fmt::format("; floor {:.1f} us, {:.1f}% of it reached", summary.floor_us, 100 * summary.floor_us / span);
  constexpr const char* kRow = "{:<16} {:>6} {:>6} {:>13} {:>13} {:>13} {:>15} {:>13} {:>7} {:>9} {:>6}\n";
  out += "\n\nus a task, mean/median over SMs and layers\n";
  out += fmt::format(kRow, "operation", "tasks", "levels", "waiting", "of it skew", "staging", "products", "publishing",
                     "spread", "advance", "share");
  for (const OperationTimes& row : summary.operations) {
    out += fmt::format(kRow, row.name, row.tasks, row.levels, cell(row.waiting), cell(row.skew), cell(row.staging),
                       cell(row.products), cell(row.publishing), fmt::format("{:.2f}", row.spread_us),
                       fmt::format("{:.1f}", row.advance_us), fmt::format("{:.1f}%", 100 * row.advance_us / span));
  }
  const TimeShares& shares = summary.shares;
  out += "\nan SM's time, mean over SMs\n";
  const std::pair<const char*, double> kinds[] = {
      {"products", shares.products_us},
      {"staging", shares.staging_us},
      {"waiting", shares.waiting_us},
      {"skew", shares.skew_us},
      {"idle", shares.idle_us},
      {"tail", shares.tail_us},
      {"publishing", shares.publishing_us},
  };
  for (const auto& [name, us] : kinds) out += fmt::format("  {:<11}{}\n", name, share(us));
  out += fmt::format("\nbottleneck: {}. stream {}, compute {}, wait {}, skew {}; the largest loss is {}\n",
                     bottleneck_name(summary.bottleneck()), share(summary.stream_us()), share(summary.compute_us()),
                     share(summary.wait_us()), share(shares.skew_us), bottleneck_name(summary.largest_loss()));
  return out;
}

}  // namespace amk::eval
