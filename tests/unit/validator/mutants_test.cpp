// Real lowerings with one thing changed, at every place: the validator and brute force say the same of each.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "support/brute_force.h"
#include "support/lowered.h"
#include "validator/validator.h"

using namespace amk;
using test::Flaw;

namespace {

Flaw brute_force(const schedule::Program& program) {
  test::After after;
  if (!test::waits_are_joins(program)) return Flaw::kJoin;
  if (!test::close(program, after)) return Flaw::kDeadlock;
  return test::memory_flaw(program, after);
}

/// Judges one program after another and counts what was found.
class Judge {
 public:
  /// Both must agree.
  void compare(const schedule::Program& program, const std::string& mutant) {
    CAPTURE(mutant);
    const Flaw flaw = brute_force(program);
    const bool accepted = accepts(program);
    CAPTURE(static_cast<uint32_t>(flaw));
    REQUIRE(accepted == (flaw == Flaw::kNone));
    ++(accepted ? sound : broken);
  }
  /// For what brute force does not look at: whether ranges are what the instruction does.
  void refuse(const schedule::Program& program, const std::string& mutant) {
    CAPTURE(mutant);
    REQUIRE_FALSE(accepts(program));
    ++broken;
  }

  uint32_t sound = 0;
  uint32_t broken = 0;

 private:
  bool accepts(const schedule::Program& program) {
    validator_.check(program);
    return validator_.outcome() == validator::Outcome::kAccepted;
  }
  validator::Validator validator_;
};

void drop_waits(schedule::Program& program, Judge& judge) {
  for (size_t id = 0; id < program.tasks.size(); ++id) {
    std::vector<schedule::Wait>& waits = program.tasks[id].waits;
    for (size_t i = 0; i < waits.size(); ++i) {
      const std::vector<schedule::Wait> kept = waits;
      waits.erase(waits.begin() + static_cast<long>(i));
      judge.compare(program, "task " + std::to_string(id) + " without wait " + std::to_string(i));
      waits = kept;
    }
  }
}

void lower_thresholds(schedule::Program& program, Judge& judge) {
  for (size_t id = 0; id < program.tasks.size(); ++id) {
    for (schedule::Wait& wait : program.tasks[id].waits) {
      --wait.threshold;
      judge.compare(program, "task " + std::to_string(id) + " with a threshold too low");
      ++wait.threshold;
    }
  }
}

void swap_neighbours(schedule::Program& program, Judge& judge) {
  for (size_t sm = 0; sm < program.placement.queues.size(); ++sm) {
    std::vector<TaskId>& queue = program.placement.queues[sm];
    for (size_t place = 1; place < queue.size(); ++place) {
      std::swap(queue[place - 1], queue[place]);
      judge.compare(program, "queue " + std::to_string(sm) + " swapped before " + std::to_string(place));
      std::swap(queue[place - 1], queue[place]);
    }
  }
}

void move_pages(schedule::Program& program, Judge& judge) {
  for (schedule::Page& page : program.pages) {
    const uint64_t kept = page.offset;
    for (uint64_t offset = 0; offset + page.size <= program.scratch_bytes; offset += schedule::kPageAlignment) {
      page.offset = offset;
      judge.compare(program, "page of " + program.buffer(page.buffer).name + " at " + std::to_string(offset));
    }
    page.offset = kept;
  }
}

void shrink_ranges(schedule::Program& program, Judge& judge) {
  for (size_t id = 0; id < program.tasks.size(); ++id) {
    for (abi::Range& range : program.tasks[id].ranges) {
      for (uint64_t* bound : {&range.begin, &range.end}) {
        const uint64_t step = bound == &range.begin ? 4 : -uint64_t{4};
        *bound += step;
        judge.refuse(program, "task " + std::to_string(id) + " with a smaller range");
        *bound -= step;
      }
    }
  }
}

struct Class {
  const char* name;
  void (*run)(schedule::Program&, Judge&);
  bool may_be_sound;
};

constexpr Class kClasses[] = {{"a wait dropped", drop_waits, true},
                              {"a threshold lowered", lower_thresholds, false},
                              {"neighbours swapped in a queue", swap_neighbours, true},
                              {"a page moved", move_pages, true},
                              {"a range made smaller", shrink_ranges, false}};

}  // namespace

TEST_CASE("of mutants of real lowerings the validator accepts exactly those that brute force finds sound") {
  const test::LoweredModel model = test::open_model("toy");
  for (const bool fused : {true, false}) {
    CAPTURE(fused);
    schedule::Program program = test::lower(model, "t4", fused ? schedule::ScheduleConfig{} : test::unfused());
    const schedule::Program original = program;
    Judge().compare(program, "none");
    for (const Class& mutants : kClasses) {
      CAPTURE(mutants.name);
      Judge judge;
      mutants.run(program, judge);
      MESSAGE(std::string(fused ? "fused, " : "unfused, "), std::string(mutants.name), ": ", judge.sound, " sound, ",
              judge.broken, " broken");
      CHECK(judge.broken > 0);
      if (!mutants.may_be_sound) CHECK(judge.sound == 0);
    }
    REQUIRE(program == original);
  }
}
