// Each rule of rule.def: a program that it alone rejects, one edit away from one that is accepted.
#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <set>
#include <string>

#include "support/mini_program.h"
#include "validator/validator.h"

using namespace amk;
using abi::Rule;
using test::MiniProgram;

namespace {

/// The accepted neighbour of most cases:  a, b filled on SM 0 and 1;  c = a + b on SM 2;  d = c + a on SM 0.
struct Diamond : MiniProgram {
  BufferId a = vector("a"), b = vector("b"), c = vector("c"), d = vector("d");
  TaskId fill_a = fill(0, a), fill_b = fill(1, b), sum = add(2, a, b, c), last = add(0, c, a, d);
  Diamond() {
    wait(sum, {fill_a, fill_b});
    wait(last, {sum});
  }
  schedule::Task& task(TaskId id) { return program.tasks[id.index()]; }
  schedule::Page& page(BufferId buffer) { return program.pages[buffer.index() - a.index()]; }
};

/// The rules broken, each once.
std::set<Rule> broken_rules(const schedule::Program& program) {
  validator::Validator validator;
  std::set<Rule> rules;
  for (const validator::Finding& finding : validator.check(program)) {
    rules.insert(finding.rule);
    INFO(validator::describe(finding, program));
    CHECK_FALSE(finding.message.empty());
  }
  CHECK((validator.outcome() == validator::Outcome::kAccepted) == rules.empty());
  return rules;
}

struct Case {
  Rule rule;
  const char* what;
  std::function<void(Diamond&)> break_it;
};

/// A product in the style of the lowering, for the rules about weights and the ring: e = table[0:8, :] . a on SM 1.
TaskId add_product(Diamond& d) {
  schedule::Task task;
  task.opcode = abi::Opcode::kGemv;
  task.params = abi::GemvParams{0, 8, MiniProgram::kSize, 32};
  const BufferId e = d.vector("e");
  d.program.buffers[e.index()].shape.extent[0] = 8;
  task.operands = {BufferId(1), d.a, e};
  task.ranges = {
      {0, abi::Span::kWhole, 0, 8 * 64 * 4}, {1, abi::Span::kWhole, 0, 64 * 4}, {2, abi::Span::kWhole, 0, 8 * 4}};
  task.waits = {{d.task(d.fill_a).signal, 1}};
  d.program.counters.push_back({0, "product"});
  task.signal = CounterId(static_cast<uint32_t>(d.program.counters.size() - 1));
  d.program.tasks.push_back(task);
  const TaskId id(static_cast<uint32_t>(d.program.tasks.size() - 1));
  d.program.placement.queues[1].push_back(id);
  d.refresh_pages();
  return id;
}

/// A cache with one head of 2 elements, and a task that appends to it from a and b.
TaskId add_cache(Diamond& d, uint64_t context) {
  abi::Shape cache;
  cache.rank = 3;
  cache.extent[0] = MiniProgram::kSize / 2;
  cache.extent[1] = context;
  cache.extent[2] = 2;
  abi::Shape scalar;
  scalar.dtype = abi::Dtype::kU32;
  scalar.rank = 1;
  auto& buffers = d.program.buffers;
  const auto next = static_cast<uint32_t>(buffers.size());
  buffers.push_back({"position", abi::BufferKind::kInput, scalar, schedule::Space::kGlobal, ""});
  buffers.push_back({"k", abi::BufferKind::kKvCache, cache, schedule::Space::kGlobal, ""});
  buffers.push_back({"v", abi::BufferKind::kKvCache, cache, schedule::Space::kGlobal, ""});
  TaskId id;
  for (uint32_t head = 0; head < MiniProgram::kSize / 2; ++head) {
    schedule::Task task;
    task.opcode = abi::Opcode::kKvAppend;
    task.params = abi::KvAppendParams{head, 2};
    task.operands = {BufferId(next), d.a, d.b, BufferId(next + 1), BufferId(next + 2)};
    const uint64_t begin = head * 8;
    task.ranges = {{0, abi::Span::kWhole, 0, 4},
                   {1, abi::Span::kWhole, begin, begin + 8},
                   {2, abi::Span::kWhole, begin, begin + 8},
                   {3, abi::Span::kCurrent, begin, begin + 8},
                   {4, abi::Span::kCurrent, begin, begin + 8}};
    task.waits = {{d.task(d.fill_a).signal, 1}, {d.task(d.fill_b).signal, 1}};
    d.program.counters.push_back({0, "append"});
    task.signal = CounterId(static_cast<uint32_t>(d.program.counters.size() - 1));
    d.program.tasks.push_back(task);
    id = TaskId(static_cast<uint32_t>(d.program.tasks.size() - 1));
    d.program.placement.queues[1].push_back(id);
  }
  d.refresh_pages();
  return id;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {Rule::kTarget, "a target that is not in the table", [](Diamond& d) { d.program.target = "h1000"; }},
      {Rule::kCapacity, "an IR version from the future", [](Diamond& d) { d.program.ir_version = 2; }},
      {Rule::kBufferShape, "an unused weight without elements",
       [](Diamond& d) {
         d.program.buffers.push_back(d.program.buffers[1]);
         d.program.buffers.back().shape.extent[1] = 0;
       }},
      {Rule::kBufferShape, "an unused vector of weights that is quantised",
       [](Diamond& d) {
         d.program.buffers.push_back(d.program.buffers[1]);
         d.program.buffers.back().shape = {abi::Dtype::kI8G64, 1, {64, 1, 1, 1}};
       }},
      {Rule::kBufferShape, "an unused activation that is quantised",
       [](Diamond& d) {
         d.program.buffers.push_back(d.program.buffers[1]);
         d.program.buffers.back().kind = abi::BufferKind::kActivation;
         d.program.buffers.back().space = schedule::Space::kScratch;
         d.program.buffers.back().shape.dtype = abi::Dtype::kI4Row;
       }},
      {Rule::kBufferSpace, "an unused constant in scratch memory",
       [](Diamond& d) {
         d.program.buffers.push_back(d.program.buffers[1]);
         d.program.buffers.back().space = schedule::Space::kScratch;
       }},
      {Rule::kReference, "a wait for a counter that does not exist",
       [](Diamond& d) {
         d.task(d.sum).waits.push_back({CounterId(99), 1});
       }},
      {Rule::kReference, "a page of a buffer that does not exist",
       [](Diamond& d) {
         d.program.pages.push_back({BufferId(99), 0, 128, TaskId(0), TaskId(0)});
       }},
      {Rule::kOperandKind, "a weight added as if it were an activation",
       [](Diamond& d) {
         d.task(d.last).operands[1] = BufferId(1);
         d.refresh_pages();
       }},
      {Rule::kOperandKind, "an operand too few", [](Diamond& d) { d.task(d.last).operands.pop_back(); }},
      {Rule::kParamRange, "a slice beyond the vector",
       [](Diamond& d) {
         d.task(d.last).params = abi::ElementwiseParams{32, 64};
       }},
      {Rule::kParamRange, "parameters of another instruction",
       [](Diamond& d) {
         d.task(d.last).params = abi::RopeParams{0, 64};
       }},
      {Rule::kAccessContract, "a read that is not declared",
       [](Diamond& d) { d.task(d.last).ranges.erase(d.task(d.last).ranges.begin()); }},
      {Rule::kAccessContract, "a write declared shorter than it is",
       [](Diamond& d) { d.task(d.last).ranges.back().end -= 4; }},
      {Rule::kKnob, "a knob out of range", [](Diamond& d) { d.program.config.attention_kv_block = 17; }},
      {Rule::kQueueOnce, "a task in no queue", [](Diamond& d) { d.program.placement.queues[0].pop_back(); }},
      {Rule::kQueueOnce, "a task in two queues", [](Diamond& d) { d.program.placement.queues[1].push_back(d.last); }},
      {Rule::kCounterZero, "a counter that starts at one", [](Diamond& d) { d.program.counters[0].initial = 1; }},
      {Rule::kThreshold, "a threshold above the producers", [](Diamond& d) { d.task(d.sum).waits[0].threshold = 2; }},
      {Rule::kThreshold, "a threshold of zero, which is no wait",
       [](Diamond& d) { d.task(d.sum).waits[0].threshold = 0; }},
      {Rule::kNoProducer, "a counter that nobody increments",
       [](Diamond& d) {
         d.program.counters.push_back({0, "nobody's"});
         d.task(d.last).waits.push_back({CounterId(static_cast<uint32_t>(d.program.counters.size() - 1)), 1});
       }},
      {Rule::kDeadlock, "a task that waits for itself", [](Diamond& d) { d.wait(d.last, {d.last}); }},
      {Rule::kDeadlock, "two tasks that wait for each other", [](Diamond& d) { d.wait(d.fill_b, {d.last}); }},
      {Rule::kDeadlock, "a reader queued before its producer",
       [](Diamond& d) { std::swap(d.program.placement.queues[0][0], d.program.placement.queues[0][1]); }},
      {Rule::kUnwritten, "a vector of which nobody writes the second half",
       [](Diamond& d) {
         d.task(d.fill_b).params = abi::EmbedParams{0, 32};
         d.task(d.fill_b).ranges.back().end = 128;
       }},
      {Rule::kStale, "a vector overwritten through another one before it is read",
       [](Diamond& d) {
         // c takes the place of b, whose only reader ran in the same task's level; a fifth task then reads b again.
         const BufferId e = d.vector("e");
         const TaskId late = d.add(0, d.d, d.b, e);
         d.overlay(d.d, d.b);
         d.task(late).operands[0] = d.c;
         d.refresh_pages();
       }},
      {Rule::kReadWrite, "a dropped wait", [](Diamond& d) { d.task(d.sum).waits.pop_back(); }},
      {Rule::kReadWrite, "a page given away while it is still read",
       [](Diamond& d) {
         // e is written on SM 1 right after b, while SM 2 may not have read a.
         const BufferId e = d.vector("e");
         d.fill(1, e);
         d.overlay(e, d.c);
         d.wait(TaskId(4), {d.sum});
       }},
      {Rule::kWriteWrite, "two fills of one vector on two SMs",
       [](Diamond& d) {
         const BufferId e = d.vector("e");
         d.fill(0, e);
         d.fill(1, e);
       }},
      {Rule::kSelfOverlap, "a sum written over its own input",
       [](Diamond& d) {
         d.task(d.last).operands[2] = d.c;
         d.program.buffers.pop_back();
         d.program.pages.pop_back();
         d.refresh_pages();
       }},
      {Rule::kPageMissing, "an activation without a page", [](Diamond& d) { d.program.pages.pop_back(); }},
      {Rule::kPageMissing, "a page for a weight",
       [](Diamond& d) {
         d.program.pages.push_back({BufferId(1), 0, 0, TaskId(0), TaskId(0)});
         d.program.pages.back().size = 0;
       }},
      {Rule::kPageBounds, "a page beyond the scratch memory", [](Diamond& d) { d.page(d.d).offset += 1 << 20; }},
      {Rule::kPageBounds, "a page that is not aligned",
       [](Diamond& d) {
         d.program.scratch_bytes += 128;
         d.page(d.d).offset += 4;
       }},
      {Rule::kPageBounds, "a page smaller than its vector", [](Diamond& d) { d.page(d.d).size = 128; }},
      {Rule::kPageLive, "a page that says it dies too early", [](Diamond& d) { d.page(d.a).last = d.sum; }},
      {Rule::kGrid, "more queues than SMs", [](Diamond& d) { d.program.placement.queues.resize(133); }},
      {Rule::kThreads, "threads that are no whole warps", [](Diamond& d) { d.program.launch.threads_per_block = 100; }},
      {Rule::kSharedMemory, "a ring larger than the block may have",
       [](Diamond& d) {
         d.program.launch.activation_bytes = 300 << 10;
         d.program.launch.smem_bytes = 2 * 2048 + (300 << 10) + schedule::control_bytes(544);
       }},
      {Rule::kSharedMemory, "parts that do not sum to the whole",
       [](Diamond& d) { d.program.launch.smem_bytes += 128; }},
      {Rule::kRing, "more copies in flight than stages", [](Diamond& d) { d.program.launch.copies_in_flight = 3; }},
      {Rule::kRing, "more stages than the kernel has barriers for",
       [](Diamond& d) {
         d.program.launch.stages = 33;
         d.program.launch.smem_bytes += 31 * 2048;
       }},
      {Rule::kBackend, "bulk copies on a T4",
       [](Diamond& d) {
         d.program.target = "t4";
         d.program.launch.products = abi::Products::kFloat32;
       }},
      {Rule::kProducts, "tensor cores on a T4",
       [](Diamond& d) {
         d.program.target = "t4";
         d.program.launch.stream_backend = abi::StreamBackend::kPlain;
       }},
      {Rule::kProducts, "a way to multiply that is not in the table",
       [](Diamond& d) { d.program.launch.products = static_cast<abi::Products>(200); }},
      {Rule::kProducts, "a protocol that is not in the table",
       [](Diamond& d) { d.program.launch.sync_protocol = static_cast<abi::SyncProtocol>(200); }},
      {Rule::kTokens, "tokens per launch other than the schedule says",
       [](Diamond& d) { d.program.launch.tokens_per_launch = 2; }},
  };
  return all;
}

}  // namespace

TEST_CASE("the programs that the cases start from are accepted") {
  Diamond plain;
  CHECK(broken_rules(plain.program).empty());
  Diamond with_product;
  add_product(with_product);
  CHECK(broken_rules(with_product.program).empty());
  Diamond with_cache;
  add_cache(with_cache, 16);
  CHECK(broken_rules(with_cache.program).empty());
}

TEST_CASE("each case is rejected by its rule and by no other") {
  for (const Case& test : cases()) {
    Diamond diamond;
    test.break_it(diamond);
    INFO(std::string(test.what));
    CHECK(broken_rules(diamond.program) == std::set<Rule>{test.rule});
  }
}

TEST_CASE("rules about products: the ring must hold a tile, weights are read-only") {
  Diamond small_stage;
  const TaskId product = add_product(small_stage);
  small_stage.program.launch.stage_bytes -= 128;
  small_stage.program.launch.smem_bytes -= 2 * 128;
  CHECK(broken_rules(small_stage.program) == std::set<Rule>{Rule::kRing});

  Diamond small_area;
  add_product(small_area);
  small_area.program.launch.activation_bytes -= 768 + 128;
  small_area.program.launch.smem_bytes -= 768 + 128;
  CHECK(broken_rules(small_area.program) == std::set<Rule>{Rule::kActivationArea});
  small_area.program.launch.activation_bytes += 128;  // its neighbour: 64 columns of float32 and no byte more
  small_area.program.launch.smem_bytes += 128;
  CHECK(broken_rules(small_area.program).empty());

  Diamond written_weight;
  add_product(written_weight);
  written_weight.task(product).operands[2] = BufferId(1);
  CHECK(broken_rules(written_weight.program).contains(Rule::kReadOnly));

  Diamond old_gpu;
  add_product(old_gpu);
  CHECK(broken_rules(old_gpu.program).empty());
}

TEST_CASE("rules about caches: their context, their spans, the past, and that the current row is written whole") {
  Diamond wrong_context;
  add_cache(wrong_context, 15);
  CHECK(broken_rules(wrong_context.program) == std::set<Rule>{Rule::kBufferKv});

  Diamond whole_span;
  TaskId append = add_cache(whole_span, 16);
  whole_span.task(append).ranges[3].span = abi::Span::kWhole;
  CHECK(broken_rules(whole_span.program).contains(Rule::kSpan));

  Diamond past;
  append = add_cache(past, 16);
  past.task(append).ranges[3].span = abi::Span::kPast;
  CHECK(broken_rules(past.program).contains(Rule::kReadOnly));

  Diamond hole;
  append = add_cache(hole, 16);
  hole.program.placement.queues[1].pop_back();
  hole.program.tasks.pop_back();
  hole.refresh_pages();
  CHECK(broken_rules(hole.program) == std::set<Rule>{Rule::kOutput});

  Diamond beyond;
  append = add_cache(beyond, 16);
  beyond.task(append).ranges[4].end += 8;
  CHECK(broken_rules(beyond.program).contains(Rule::kBounds));
}

TEST_CASE("every rule has a case that fails without it") {
  // Rules that the tests above and below cover outside the table of cases, and arch.instruction, which no row of
  // today's opcode.def can break: every instruction runs on every target.
  std::set<Rule> covered = {Rule::kBufferKv, Rule::kSpan, Rule::kReadOnly,      Rule::kOutput,
                            Rule::kBounds,   Rule::kArch, Rule::kActivationArea};
  for (const Case& test : cases()) covered.insert(test.rule);
  for (const abi::RuleInfo& rule : abi::kRules) {
    INFO(rule.id);
    CHECK(covered.contains(rule.rule));
  }
  for (const abi::TargetInfo& target : abi::kTargets) {
    for (const abi::OpcodeInfo& opcode : abi::kOpcodes) CHECK(target.sm >= opcode.min_arch);
  }
}

TEST_CASE("the position cannot stand for the token, which indexes a table") {
  Diamond diamond;
  add_cache(diamond, 16);
  for (uint32_t i = 0; i < diamond.program.buffers.size(); ++i) {
    if (diamond.program.buffers[i].name == "position") diamond.task(diamond.fill_a).operands[0] = BufferId(i);
  }
  CHECK(broken_rules(diamond.program).contains(Rule::kOperandKind));
}

TEST_CASE("a finding names rule, tasks, bytes and what would mend it") {
  Diamond diamond;
  diamond.task(diamond.sum).waits.pop_back();
  validator::Validation validation = validator::validate(diamond.program);
  CHECK(validation.outcome == validator::Outcome::kRejected);
  CHECK_FALSE(validation.validated.has_value());
  REQUIRE(validation.findings.size() == 1);
  const std::string text = validator::describe(validation.findings[0], *validation.program);
  INFO(text);
  CHECK(text.find("hazard.read-write: task 2 't2', task 1 't1', buffer 3 'b' bytes [0, 256)") == 0);
  CHECK(text.find("mend: let one wait for the other's counter") != std::string::npos);
}

TEST_CASE("all findings are collected, not only the first") {
  Diamond diamond;
  diamond.program.launch.threads_per_block = 1;
  diamond.program.counters[0].initial = 5;
  diamond.task(diamond.sum).waits.pop_back();
  diamond.page(diamond.d).size = 0;
  CHECK(broken_rules(diamond.program) ==
        std::set<Rule>{Rule::kThreads, Rule::kCounterZero, Rule::kReadWrite, Rule::kPageBounds});
}

TEST_CASE("a chain of order through other tasks and queues is order enough") {
  MiniProgram chain(3);
  const BufferId a = chain.vector("a"), b = chain.vector("b"), c = chain.vector("c"), d = chain.vector("d");
  const TaskId first = chain.fill(0, a);
  const TaskId second = chain.fill(1, b);
  chain.wait(second, {first});
  const TaskId third = chain.fill(1, c);  // after `second` by its queue
  const TaskId fourth = chain.add(2, a, b, d);
  chain.wait(fourth, {third});  // so after all of them
  CHECK(broken_rules(chain.program).empty());
  chain.program.tasks[second.index()].waits.clear();  // now nothing orders the fill of a before its reader
  CHECK(broken_rules(chain.program) == std::set<Rule>{Rule::kReadWrite});
}

TEST_CASE("tiles are covered byte for byte: a gap and an overlap are found") {
  const auto tiled = [](uint32_t second_begin, uint32_t second_count) {
    MiniProgram program(3);
    const BufferId a = program.vector("a"), b = program.vector("b");
    const BufferId c = program.vector("c");
    const TaskId low = program.fill(0, a, 0, 32);
    const TaskId high = program.fill(1, a, second_begin, second_count);
    const TaskId other = program.fill(2, b);
    const TaskId sum = program.add(2, a, b, c);
    program.wait(sum, {low, high});
    (void)other;
    return broken_rules(program.program);
  };
  CHECK(tiled(32, 32).empty());
  CHECK(tiled(33, 31) == std::set<Rule>{Rule::kUnwritten});
  CHECK(tiled(31, 33) == std::set<Rule>{Rule::kWriteWrite});
}

TEST_CASE("a race is one finding, whichever of reader and writer is looked at first") {
  for (const bool reader_first : {true, false}) {
    MiniProgram program(2);
    const BufferId a = program.vector("a"), b = program.vector("b"), c = program.vector("c"), d = program.vector("d");
    program.fill(0, b);
    if (reader_first) program.fill(1, d);  // tasks are looked at by turns, so this one keeps the writer back
    const TaskId reader = program.add(0, b, a, c);
    const TaskId writer = program.fill(1, a);
    validator::Validator validator;
    const std::vector<validator::Finding>& findings = validator.check(program.program);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].rule == Rule::kReadWrite);
    CHECK(findings[0].buffer == a);
    CHECK(findings[0].tasks == std::vector{reader, writer});
  }

  MiniProgram late(1);  // the write comes after the read for certain: no race, but nothing to read
  const BufferId a = late.vector("a"), b = late.vector("b");
  late.add(0, a, a, b);
  late.fill(0, a);
  CHECK(broken_rules(late.program) == std::set<Rule>{Rule::kUnwritten});
}

TEST_CASE("values outside their tables are refused, not looked up") {
  Diamond kind;
  kind.program.buffers[kind.c.index()].kind = static_cast<abi::BufferKind>(200);
  CHECK(broken_rules(kind.program).contains(Rule::kBufferShape));
  Diamond dtype;
  dtype.program.buffers[dtype.c.index()].shape.dtype = static_cast<abi::Dtype>(200);
  CHECK(broken_rules(dtype.program).contains(Rule::kBufferShape));
  Diamond space;
  space.program.buffers[space.c.index()].space = static_cast<schedule::Space>(200);
  CHECK(broken_rules(space.program).contains(Rule::kBufferSpace));
  Diamond table_space;  // not scratch memory, and still no space that there is
  table_space.program.buffers[1].space = static_cast<schedule::Space>(200);
  CHECK(broken_rules(table_space.program) == std::set<Rule>{Rule::kBufferSpace});
  Diamond opcode;
  opcode.task(opcode.sum).opcode = static_cast<abi::Opcode>(200);
  CHECK(broken_rules(opcode.program).contains(Rule::kReference));
  Diamond span;
  span.task(span.sum).ranges[0].span = static_cast<abi::Span>(200);
  CHECK(broken_rules(span.program).contains(Rule::kReference));
  Diamond operand;
  operand.task(operand.sum).ranges[0].operand = 200;
  CHECK(broken_rules(operand.program).contains(Rule::kReference));
  Diamond backend;
  backend.program.launch.stream_backend = static_cast<abi::StreamBackend>(200);
  CHECK(broken_rules(backend.program) == std::set<Rule>{Rule::kBackend});
  Diamond eps;
  eps.task(eps.sum).opcode = abi::Opcode::kRmsNorm;
  eps.task(eps.sum).params = abi::RmsNormParams{64, std::numeric_limits<float>::quiet_NaN()};
  CHECK_FALSE(broken_rules(eps.program).empty());
}

TEST_CASE("a program beyond the IR's limits is refused before tables are made for it") {
  Diamond queues;
  queues.program.placement.queues.resize(200000);  // vector clocks would take 160 GB
  CHECK(broken_rules(queues.program) == std::set<Rule>{Rule::kCapacity});
  Diamond scratch;
  scratch.program.scratch_bytes = UINT64_MAX;
  scratch.page(scratch.d).offset = UINT64_MAX - 127 - 256;
  CHECK(broken_rules(scratch.program) == std::set<Rule>{Rule::kCapacity});
  Diamond extents;
  for (uint64_t& extent : extents.program.buffers[extents.c.index()].shape.extent) extent = UINT64_MAX;
  CHECK(broken_rules(extents.program).contains(Rule::kBufferShape));
}

TEST_CASE("empty programs are judged, not tripped over") {
  CHECK(broken_rules(schedule::Program()).contains(Rule::kTarget));
  MiniProgram no_tasks(1);
  CHECK(broken_rules(no_tasks.program).empty());
  MiniProgram no_queues(0);
  CHECK(broken_rules(no_queues.program) == std::set<Rule>{Rule::kGrid});
}

TEST_CASE("a program whose proof would take for ever is unproven") {
  // n nested reads of a vector between n writes of all of it, in one queue: n cubed steps.
  constexpr uint32_t kNested = 1500;
  MiniProgram program(1);
  const BufferId a = program.vector("a"), b = program.vector("b"), c = program.vector("c");
  for (const BufferId vector : {a, b, c}) {
    program.program.buffers[vector.index()].shape.extent[0] = 4096;
    program.program.pages[vector.index() - a.index()] = {
        vector, (vector.index() - a.index()) * 16384ULL, 16384, {}, {}};
  }
  program.program.buffers[1].shape.extent[1] = 4096;
  program.program.scratch_bytes = 3 * 16384;
  program.fill(0, a, 0, 4096);
  program.fill(0, b, 0, 4096);
  const schedule::Task fill = program.program.tasks[0];
  const TaskId sum = program.add(0, a, b, c, 0, 1);
  const schedule::Task first = program.program.task(sum);
  const auto append = [&](const schedule::Task& task) {
    program.program.tasks.push_back(task);
    program.program.placement.queues[0].emplace_back(static_cast<uint32_t>(program.program.tasks.size() - 1));
  };
  for (uint32_t i = 1; i < kNested; ++i) {
    schedule::Task task = first;
    task.params = abi::ElementwiseParams{0, i + 1};
    for (abi::Range& range : task.ranges) range.end = 4 * (i + 1);
    append(task);
  }
  for (uint32_t i = 0; i < kNested; ++i) append(fill);
  program.refresh_pages();
  validator::Validator validator;
  CHECK(validator.check(program.program).empty());
  CHECK(validator.outcome() == validator::Outcome::kUnproven);
  CHECK_FALSE(validator::validate(program.program).validated.has_value());
}
