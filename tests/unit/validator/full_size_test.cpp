// Programs as large as those that run: one fault in tens of thousands of tasks is found, at its task, by its rule.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <set>
#include <string>

#include "instructions/contract.h"
#include "support/lowered.h"
#include "validator/validator.h"

using namespace amk;
using abi::Opcode;
using abi::Rule;
using schedule::Program;
using schedule::Task;

namespace {

/// A lowered program, with the places that faults are put in.
class Layer {
 public:
  Layer(Program& program, uint32_t layer) : program_(program), layer_(layer) {}

  Program& program() { return program_; }
  Task& task(TaskId id) { return program_.tasks[id.index()]; }

  /// Some task in the middle of an operation of this layer: "qkv", "attention", "o", "gate_up", "down".
  [[nodiscard]] TaskId middle(const std::string& operation) const {
    const std::vector<TaskId> all = tasks(operation);
    return all[all.size() / 2];
  }
  [[nodiscard]] std::vector<TaskId> tasks(const std::string& operation) const {
    const std::string prefix = "l" + std::to_string(layer_) + "." + operation + "[";
    std::vector<TaskId> found;
    for (uint32_t i = 0; i < program_.tasks.size(); ++i) {
      if (program_.tasks[i].label.starts_with(prefix)) found.emplace_back(i);
    }
    REQUIRE_FALSE(found.empty());
    return found;
  }
  /// A task of this layer that writes a KV cache.
  [[nodiscard]] TaskId cache_writer() const {
    for (const TaskId id : tasks("qkv")) {
      const Task& task = program_.task(id);
      for (const abi::Range& range : task.ranges) {
        if (range.span == abi::Span::kCurrent) return id;
      }
    }
    FAIL("no task writes the cache");
    return {};
  }
  /// A buffer of this layer: "x_attn", "hidden".
  [[nodiscard]] BufferId buffer(const std::string& name) const {
    const std::string wanted = "l" + std::to_string(layer_) + "." + name;
    for (uint32_t i = 0; i < program_.buffers.size(); ++i) {
      if (program_.buffers[i].name == wanted) return BufferId(i);
    }
    FAIL("no buffer " << wanted);
    return {};
  }
  schedule::Page& page(const std::string& name) {
    const BufferId id = buffer(name);
    return *std::ranges::find(program_.pages, id, &schedule::Page::buffer);
  }
  /// The queue that holds a task, and its place there.
  std::vector<TaskId>& queue_of(TaskId id, size_t& place) {
    for (std::vector<TaskId>& queue : program_.placement.queues) {
      const auto at = std::ranges::find(queue, id);
      if (at == queue.end()) continue;
      place = static_cast<size_t>(at - queue.begin());
      return queue;
    }
    FAIL("a task in no queue");
    return program_.placement.queues[0];
  }
  [[nodiscard]] uint32_t producers(CounterId counter) const {
    return static_cast<uint32_t>(std::ranges::count(program_.tasks, counter, &Task::signal));
  }
  /// Declares what the instruction does with the parameters that the task has now.
  void declare_anew(TaskId id) {
    Task& changed = task(id);
    std::vector<abi::Shape> shapes;
    for (const BufferId operand : changed.operands) shapes.push_back(program_.buffer(operand).shape);
    instructions::RangeList list;
    REQUIRE_FALSE(instructions::contract(changed.opcode, changed.params, shapes, list).has_value());
    changed.ranges.assign(list.ranges().begin(), list.ranges().end());
  }

 private:
  Program& program_;
  uint32_t layer_;
};

/// What must be found: `rule`, of the task or the buffer. Other findings are of `rule` or of `also`.
struct Expected {
  TaskId task;
  BufferId buffer;
  std::set<Rule> also;
  std::vector<TaskId> some_of = {};  ///< where one fault meets many tasks, of which a finding names a few
};

struct Fault {
  const char* name;
  Rule rule;
  std::function<Expected(Layer&)> plant;
};

// ---- waits and counters ----

Expected drop_waits(Layer& layer) {
  const TaskId id = layer.middle("o");
  layer.task(id).waits.clear();
  return {id, {}, {Rule::kWriteWrite}};
}

Expected lower_threshold(Layer& layer) {
  const TaskId id = layer.middle("down");
  --layer.task(id).waits[0].threshold;
  return {id, {}, {}};
}

Expected raise_threshold(Layer& layer) {
  const TaskId id = layer.middle("down");
  ++layer.task(id).waits[0].threshold;
  return {id, {}, {}};
}

Expected wait_for_nobody(Layer& layer) {
  const TaskId id = layer.middle("gate_up");
  layer.task(id).waits[0].counter = CounterId(static_cast<uint32_t>(layer.program().counters.size()));
  layer.program().counters.push_back({0, "nobody's"});
  return {id, {}, {}};
}

/// The task signals a counter of its own: those who wait for it and its like wait for one too many, and race with it.
Expected lose_signal(Layer& layer) {
  const TaskId id = layer.middle("gate_up");
  layer.task(id).signal = CounterId(static_cast<uint32_t>(layer.program().counters.size()));
  layer.program().counters.push_back({0, "its own"});
  return {{}, {}, {Rule::kReadWrite}, layer.tasks("down")};
}

Expected wait_for_another(Layer& layer) {
  const TaskId id = layer.middle("down");
  const CounterId other = layer.task(layer.middle("qkv")).signal;
  layer.task(id).waits[0] = {other, layer.producers(other)};
  return {id, {}, {Rule::kWriteWrite}};
}

Expected wait_for_itself(Layer& layer) {
  const TaskId id = layer.middle("down");
  const CounterId own = layer.task(id).signal;
  layer.task(id).waits.push_back({own, layer.producers(own)});
  return {id, {}, {}};
}

Expected make_cycle(Layer& layer) {
  const TaskId id = layer.middle("o");
  const CounterId consumer = layer.task(layer.middle("gate_up")).signal;
  layer.task(id).waits.push_back({consumer, layer.producers(consumer)});
  return {id, {}, {}};
}

Expected start_counter_at_one(Layer& layer) {
  layer.program().counters[layer.task(layer.middle("o")).signal.index()].initial = 1;
  return {};
}

// ---- queues ----

Expected swap_with_producer(Layer& layer) {
  const TaskId id = layer.middle("gate_up");
  size_t place = 0;
  std::vector<TaskId>& queue = layer.queue_of(id, place);
  std::swap(queue[place - 1], queue[place]);
  return {id, {}, {}};
}

Expected forget_task(Layer& layer) {
  const TaskId id = layer.middle("down");
  size_t place = 0;
  std::vector<TaskId>& queue = layer.queue_of(id, place);
  queue.erase(queue.begin() + static_cast<long>(place));
  return {id, {}, {}};
}

Expected place_twice(Layer& layer) {
  const TaskId id = layer.middle("down");
  layer.program().placement.queues.back().push_back(id);
  return {id, {}, {}};
}

// ---- tiles and ranges ----

Expected overlap_tile(Layer& layer) {
  const TaskId id = layer.middle("down");
  auto& params = std::get<abi::GemvParams>(layer.task(id).params);
  params.row_begin -= 8;
  params.row_count += 8;
  layer.declare_anew(id);
  return {id, layer.buffer("x_mlp"), {}};
}

/// The first who reads what was not written is named, with the buffer.
Expected shorten_tile(Layer& layer) {
  const TaskId id = layer.middle("gate_up");
  std::get<abi::NormGemvParams>(layer.task(id).params).row_count -= 4;
  layer.declare_anew(id);
  return {{}, layer.buffer("hidden"), {}, layer.tasks("down")};
}

Expected shorten_cache_tile(Layer& layer) {
  const TaskId id = layer.cache_writer();
  std::get<abi::NormQkvParams>(layer.task(id).params).pair_count -= 1;
  layer.declare_anew(id);
  return {{}, layer.buffer("k_cache"), {Rule::kUnwritten}};
}

Expected move_declared_write(Layer& layer) {
  const TaskId id = layer.middle("down");
  layer.task(id).ranges.back().begin += 4;
  layer.task(id).ranges.back().end += 4;
  return {id, {}, {}};
}

Expected hide_read(Layer& layer) {
  const TaskId id = layer.middle("gate_up");
  std::vector<abi::Range>& ranges = layer.task(id).ranges;
  ranges.erase(ranges.begin() + 2);
  return {id, {}, {}};
}

Expected read_beyond_row_image(Layer& layer) {
  const TaskId id = layer.middle("attention");
  for (abi::Range& range : layer.task(id).ranges) {
    if (range.span == abi::Span::kPast) range.end += uint64_t{1} << 20;
  }
  return {id, layer.buffer("k_cache"), {Rule::kAccessContract}};
}

Expected write_past_position(Layer& layer) {
  const TaskId id = layer.cache_writer();
  for (abi::Range& range : layer.task(id).ranges) {
    if (range.span == abi::Span::kCurrent) range.span = abi::Span::kPast;
  }
  return {id, {}, {Rule::kAccessContract}};
}

Expected read_head_that_is_not_there(Layer& layer) {
  const TaskId id = layer.middle("attention");
  std::get<abi::AttentionParams>(layer.task(id).params).kv_head += 64;
  return {id, {}, {}};
}

// ---- instructions, pages, capacity ----

Expected change_instruction(Layer& layer) {
  const TaskId id = layer.middle("down");
  const abi::GemvParams was = std::get<abi::GemvParams>(layer.task(id).params);
  layer.task(id).opcode = Opcode::kNormGemv;
  layer.task(id).params = abi::NormGemvParams{was.row_begin, was.row_count, was.k, was.k_chunk, 1e-5F};
  return {id, {}, {}};
}

Expected keep_parameters_of_another(Layer& layer) {
  const TaskId id = layer.middle("down");
  layer.task(id).opcode = Opcode::kNormGemv;
  return {id, {}, {}};
}

Expected reuse_page(Layer& layer) {
  layer.page("x_attn").offset = layer.page("hidden").offset;
  return {{}, {}, {Rule::kReadWrite, Rule::kWriteWrite, Rule::kSelfOverlap}, layer.tasks("down")};
}

Expected page_beyond_scratch(Layer& layer) {
  layer.page("hidden").offset = layer.program().scratch_bytes;
  return {{}, layer.buffer("hidden"), {}};
}

Expected page_dies_early(Layer& layer) {
  layer.page("hidden").last = layer.page("hidden").first;
  return {{}, layer.buffer("hidden"), {}};
}

Expected overfill_stage(Layer& layer) {
  const TaskId id = layer.middle("down");
  std::get<abi::GemvParams>(layer.task(id).params).k_chunk *= 2;
  return {id, {}, {}};
}

Expected shorten_cache(Layer& layer) {
  const BufferId cache = layer.buffer("k_cache");
  --layer.program().buffers[cache.index()].shape.extent[1];
  return {{}, cache, {}};
}

const Fault kFaults[] = {
    {"a dropped wait", Rule::kReadWrite, drop_waits},
    {"a lowered wait", Rule::kThreshold, lower_threshold},
    {"a raised wait", Rule::kThreshold, raise_threshold},
    {"a wait for a counter that nobody increments", Rule::kNoProducer, wait_for_nobody},
    {"a producer missing from its counter", Rule::kThreshold, lose_signal},
    {"a wait for the wrong counter", Rule::kReadWrite, wait_for_another},
    {"a wait for itself", Rule::kDeadlock, wait_for_itself},
    {"a cycle through two stages", Rule::kDeadlock, make_cycle},
    {"a counter that starts at one", Rule::kCounterZero, start_counter_at_one},
    {"a task queued before its producer", Rule::kDeadlock, swap_with_producer},
    {"a task in no queue", Rule::kQueueOnce, forget_task},
    {"a task in two queues", Rule::kQueueOnce, place_twice},
    {"an overlapping tile", Rule::kWriteWrite, overlap_tile},
    {"a short tile", Rule::kUnwritten, shorten_tile},
    {"a short tile of the cache", Rule::kOutput, shorten_cache_tile},
    {"a moved range", Rule::kAccessContract, move_declared_write},
    {"a read that is not declared", Rule::kAccessContract, hide_read},
    {"a read beyond the row of the cache", Rule::kBounds, read_beyond_row_image},
    {"a write to past positions", Rule::kReadOnly, write_past_position},
    {"a head that the cache does not have", Rule::kParamRange, read_head_that_is_not_there},
    {"a wrong instruction", Rule::kOperandKind, change_instruction},
    {"parameters of another instruction", Rule::kParamRange, keep_parameters_of_another},
    {"a page reused while it is alive", Rule::kStale, reuse_page},
    {"a page beyond the scratch memory", Rule::kPageBounds, page_beyond_scratch},
    {"a page that dies too early", Rule::kPageLive, page_dies_early},
    {"a tile too large for a stage", Rule::kRing, overfill_stage},
    {"a cache of another context", Rule::kBufferKv, shorten_cache},
};

bool fits(const validator::Finding& finding, const Fault& fault, const Expected& expected) {
  return finding.rule == fault.rule &&
         (!expected.task.valid() || std::ranges::count(finding.tasks, expected.task) > 0) &&
         (expected.some_of.empty() ||
          std::ranges::find_first_of(finding.tasks, expected.some_of) != finding.tasks.end()) &&
         (!expected.buffer.valid() || finding.buffer == expected.buffer);
}

/// One fault is told in few findings, however many tasks meet it; only where two buffers meet in one page, each pair of
/// tiles races over bytes of its own.
constexpr size_t kFindingsMax = 12;

void check_fault(validator::Validator& validator, const Program& program, const Fault& fault,
                 const Expected& expected) {
  const std::vector<validator::Finding>& findings = validator.check(program);
  REQUIRE(validator.outcome() == validator::Outcome::kRejected);
  INFO(validator::describe(findings.front(), program));
  CHECK(std::ranges::any_of(findings, [&](const auto& finding) { return fits(finding, fault, expected); }));
  if (fault.rule != Rule::kStale) CHECK(findings.size() <= kFindingsMax);
  for (const validator::Finding& finding : findings) {
    INFO(validator::describe(finding, program));
    CHECK((finding.rule == fault.rule || expected.also.contains(finding.rule)));
  }
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

}  // namespace

TEST_CASE("in a program of full size, one fault of any class in the first, a middle or the last layer is found") {
  for (const char* name : {"synthetic:llama-3.2-1b", "synthetic:llama-3.1-8b", "synthetic:llama-3.1-70b"}) {
    INFO(std::string(name));
    const test::LoweredModel model = test::open_model(name);
    const Program original = test::lower(model);
    const uint32_t layers = model.graph.config.layer_count;
    validator::Validator validator;
    REQUIRE(validator.check(original).empty());
    REQUIRE(validator.outcome() == validator::Outcome::kAccepted);
    MESSAGE(std::string(name), ": ", original.tasks.size(), " tasks on ", original.placement.queues.size(), " SMs");
    Program broken = original;
    for (const Fault& fault : kFaults) {
      for (const uint32_t layer : {0U, layers / 2, layers - 1}) {
        INFO(std::string(fault.name));
        CAPTURE(layer);
        Layer at(broken, layer);
        const Expected expected = fault.plant(at);
        check_fault(validator, broken, fault, expected);
        broken = original;
      }
    }
  }
}

TEST_CASE("a program of Llama-3.1-8B's size is judged in less than 100 ms" * doctest::skip(kSanitized)) {
  const Program program = test::lower(test::open_model("synthetic:llama-3.1-8b"));
  validator::Validator validator;
  double best = 1;
  for (uint32_t round = 0; round < 5; ++round) {
    const double start = cpu_seconds();
    CHECK(validator.check(program).empty());
    best = std::min(best, cpu_seconds() - start);
  }
  MESSAGE(program.tasks.size(), " tasks: ", best * 1e3, " ms of CPU");
  CHECK(best < 0.1);
}
