#include "support/traced.h"

#include <algorithm>

#include "eval/program_report.h"

namespace amk::test {
namespace {

constexpr uint64_t kStart = 1'000'000'000;

device::TraceRecord record_us(uint64_t begin, uint64_t ready, uint64_t staged, uint64_t done, uint64_t published) {
  const auto ns = [](uint64_t us) { return kStart + us * 1000; };
  return {ns(begin), ns(ready), staged == 0 ? 0 : ns(staged), ns(done), ns(published)};
}

}  // namespace

TracedMini traced_mini() {
  TracedMini out{MiniProgram(), {}, {}, {}};
  const BufferId a = out.mini.vector("a");
  const BufferId b = out.mini.vector("b");
  const BufferId c = out.mini.vector("c");
  const TaskId first = out.mini.fill(0, a);
  const TaskId second = out.mini.fill(1, b);
  const TaskId last = out.mini.add(0, a, b, c);
  out.mini.wait(last, {first, second});
  out.mini.refresh_pages();
  out.mini.program.tasks[0].label = "fill[a]";
  out.mini.program.tasks[1].label = "fill[b]";
  out.mini.program.tasks[2].label = "l0.add<&>";  // a label that must be escaped
  out.tasks = {first.index(), last.index(), second.index()};
  out.queue_begin = {0, 2, 3, 3};
  out.records = {record_us(0, 0, 0, 3, 4), record_us(5, 5, 10, 18, 20), record_us(1, 1, 0, 7, 8)};
  return out;
}

MadeUpTrace::MadeUpTrace(const schedule::Program& traced) : program(&traced) {
  const std::vector<uint32_t> level_of = eval::task_levels(traced);
  queue_begin.push_back(0);
  for (const std::vector<TaskId>& queue : traced.placement.queues) {
    uint64_t at = 0;
    for (const TaskId task : queue) {
      // Levels follow each other every 20 us, and a task takes 10 to 13.
      const uint64_t begin = std::max<uint64_t>(at, level_of[task.index()] * 20ULL);
      const uint64_t work = 10 + task.index() % 4;
      records.push_back(record_us(begin, begin + 1, begin + 2, begin + work - 1, begin + work));
      tasks.push_back(task.index());
      at = begin + work;
    }
    queue_begin.push_back(static_cast<uint32_t>(tasks.size()));
  }
}

}  // namespace amk::test
