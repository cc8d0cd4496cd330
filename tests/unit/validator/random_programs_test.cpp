// Random small programs: the validator and brute force say the same of every one.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "base/random.h"
#include "support/brute_force.h"
#include "support/mini_program.h"
#include "validator/validator.h"

using namespace amk;
using test::Flaw;

namespace {

constexpr uint64_t kSeed = 20261122;
constexpr uint32_t kPrograms = 20000;

/// Mostly sound programs, so that both verdicts are common: tasks wait for what they conflict with, with a chance that
/// differs from program to program, and then something may be disturbed.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed), sms_(1 + below(3)), mini_(sms_) {}

  schedule::Program run() {
    const uint32_t vectors = 2 + below(4);
    for (uint32_t i = 0; i < vectors; ++i) vectors_.push_back(mini_.vector("v" + std::to_string(i)));
    output_ = add_output();
    while (chance(0.4)) overlay();
    const uint32_t tasks = 1 + below(7);
    for (uint32_t i = 0; i < tasks; ++i) add_task(i == 0 || (i == 1 && chance(0.7)));
    if (chance(0.9)) trim_output();
    const double care = chance(0.5) ? 1.0 : random_.uniform();
    for (uint32_t i = 0; i < tasks; ++i) wait_for_conflicts(i, care);
    if (chance(0.4)) share_counters();
    join_all();
    if (chance(0.3)) disturb();
    mini_.refresh_pages();
    return std::move(program());
  }

 private:
  schedule::Program& program() { return mini_.program; }
  uint32_t below(uint64_t bound) { return static_cast<uint32_t>(random_.below(bound)); }
  bool chance(double probability) { return random_.uniform() < probability; }
  BufferId any_vector() { return vectors_[below(vectors_.size())]; }
  uint32_t task_count() { return static_cast<uint32_t>(program().tasks.size()); }

  /// f32[8]: what products with the table write. Tasks that reach no output leave it unwritten.
  BufferId add_output() {
    abi::Shape shape;
    shape.rank = 1;
    shape.extent[0] = 8;
    program().buffers.push_back({"out", abi::BufferKind::kOutput, shape, schedule::Space::kGlobal, ""});
    return BufferId(static_cast<uint32_t>(program().buffers.size() - 1));
  }
  /// Takes the output away where nothing writes it.
  void trim_output() {
    for (const schedule::Task& task : program().tasks) {
      if (task.opcode == abi::Opcode::kGemv) return;
    }
    program().buffers.pop_back();
  }

  /// A page over another, whole or shifted by half.
  void overlay() {
    std::vector<schedule::Page>& pages = program().pages;
    const uint64_t shift = chance(0.5) ? 0 : schedule::kPageAlignment;
    schedule::Page& page = pages[below(pages.size())];
    page.offset = std::min(pages[below(pages.size())].offset + shift, program().scratch_bytes - page.size);
  }

  void add_task(bool fills) {
    constexpr std::array<std::array<uint32_t, 2>, 6> kSlices = {
        {{0, 64}, {0, 64}, {0, 32}, {32, 32}, {16, 32}, {8, 8}}};
    const auto [begin, count] = fills ? kSlices[0] : kSlices[below(kSlices.size())];
    const uint32_t sm = below(sms_);
    const uint32_t what = below(10);
    if (fills || what < 3) {
      mini_.fill(sm, any_vector(), begin, count);
    } else if (what < 8) {
      mini_.add(sm, any_vector(), any_vector(), any_vector(), begin, count);
    } else {
      mini_.product(sm, any_vector(), output_, count == 32 ? begin / 8 : 0, count == 32 ? 4 : 8);
    }
  }

  /// Whether the two tasks touch a byte, one of them writing; pages taken for what they are.
  bool conflict(const schedule::Task& a, const schedule::Task& b) {
    const auto place = [&](const schedule::Task& task, const abi::Range& range) {
      for (const schedule::Page& page : program().pages) {
        if (page.buffer == task.operands[range.operand]) return page.offset;
      }
      return (uint64_t{task.operands[range.operand].index()} + 1) << 32;
    };
    for (const abi::Range& x : a.ranges) {
      for (const abi::Range& y : b.ranges) {
        const bool writes = abi::operand(a.opcode, x.operand).access == abi::Access::kWrite ||
                            abi::operand(b.opcode, y.operand).access == abi::Access::kWrite;
        if (writes && place(a, x) + x.begin < place(b, y) + y.end && place(b, y) + y.begin < place(a, x) + x.end) {
          return true;
        }
      }
    }
    return false;
  }

  void wait_for_conflicts(uint32_t task, double care) {
    for (uint32_t other = 0; other < task; ++other) {
      if (!conflict(program().tasks[task], program().tasks[other]) || !chance(care)) continue;
      mini_.wait(TaskId(task), {TaskId(other)});
    }
  }

  /// One task signals another's counter: both are joined.
  void share_counters() { program().tasks[below(task_count())].signal = program().tasks[below(task_count())].signal; }
  /// Every wait becomes one for all producers; waits for counters without any go.
  void join_all() {
    std::vector<uint32_t> producers(program().counters.size(), 0);
    for (const schedule::Task& task : program().tasks) ++producers[task.signal.index()];
    for (schedule::Task& task : program().tasks) {
      std::erase_if(task.waits, [&](const schedule::Wait& wait) { return producers[wait.counter.index()] == 0; });
      for (schedule::Wait& wait : task.waits) wait.threshold = producers[wait.counter.index()];
    }
  }

  void disturb() {
    schedule::Task& task = program().tasks[below(task_count())];
    switch (below(6)) {
      case 0:  // some wait, forward or backward, or for itself
        return mini_.wait(TaskId(below(task_count())), {TaskId(below(task_count()))});
      case 1:
        if (!task.waits.empty()) task.waits.erase(task.waits.begin() + below(task.waits.size()));
        return;
      case 2:
        if (!task.waits.empty()) task.waits[below(task.waits.size())].threshold = below(3);
        return;
      case 3:
        if (!task.waits.empty()) task.waits.push_back(task.waits.front());
        return;
      case 4: {
        std::vector<TaskId>& queue = program().placement.queues[below(sms_)];
        if (queue.size() > 1) std::swap(queue[below(queue.size())], queue[below(queue.size())]);
        return;
      }
      default:
        return overlay();
    }
  }

  Random random_;
  uint32_t sms_;
  test::MiniProgram mini_;
  std::vector<BufferId> vectors_;
  BufferId output_;
};

Flaw brute_force(const schedule::Program& program) {
  if (!test::waits_are_joins(program)) return Flaw::kJoin;
  test::After explored;
  test::After closed;
  const bool runs = test::explore(program, explored);
  // The two ways of brute force keep each other honest.
  CHECK(test::close(program, closed) == runs);
  if (!runs) return Flaw::kDeadlock;
  CHECK(closed == explored);
  return test::memory_flaw(program, explored);
}

}  // namespace

TEST_CASE("of random small programs the validator accepts exactly those that brute force finds sound") {
  std::array<uint32_t, test::kFlawCount> found{};
  validator::Validator validator;  // one for all of them: nothing of a program may reach the next
  for (uint32_t i = 0; i < kPrograms; ++i) {
    const uint64_t seed = kSeed + i;
    CAPTURE(seed);
    const schedule::Program program = Generator(seed).run();
    const Flaw flaw = brute_force(program);
    ++found[static_cast<size_t>(flaw)];
    const std::vector<validator::Finding>& findings = validator.check(program);
    CAPTURE(static_cast<uint32_t>(flaw));
    CAPTURE(findings.empty() ? "no finding" : validator::describe(findings.front(), program));
    REQUIRE((validator.outcome() == validator::Outcome::kAccepted) == (flaw == Flaw::kNone));
  }
  MESSAGE("seeds ", kSeed, " to ", kSeed + kPrograms - 1, ": sound ", found[0], ", no join ", found[1], ", deadlock ",
          found[2], ", race ", found[3], ", unwritten ", found[4], ", stale ", found[5], ", output ", found[6]);
  for (const uint32_t count : found) CHECK(count > 100);
}
