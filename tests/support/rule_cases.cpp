#include "support/rule_cases.h"

#include <algorithm>
#include <utility>

namespace amk::test {

using abi::Rule;

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

TaskId add_splits(Diamond& d) {
  const TaskId appended = add_cache(d, 16);
  const std::vector<BufferId> caches = d.program.task(appended).operands;
  constexpr uint64_t kHeads = MiniProgram::kSize / 2, kHeadBytes = 2 * 4, kPartialBytes = 4 * 4;
  const BufferId partials = d.vector("partials"), y = d.vector("y");
  abi::Shape& shape = d.program.buffers[partials.index()].shape;
  shape.rank = 3;
  shape.extent[0] = kHeads;
  shape.extent[1] = 2;
  shape.extent[2] = 4;
  // Room for the partials of all heads, though one is enough here.
  d.program.pages[d.program.pages.size() - 2].size = kHeads * 2 * kPartialBytes;
  d.program.pages.back().offset = d.program.pages[d.program.pages.size() - 2].offset + kHeads * 2 * kPartialBytes;
  d.program.scratch_bytes = d.program.pages.back().offset + d.program.pages.back().size;
  for (const uint32_t split : {0U, 1U}) {
    schedule::Task task;
    task.opcode = split == 0 ? abi::Opcode::kAttention : abi::Opcode::kAttentionCombine;
    task.params = abi::AttentionParams{0, 1, 2, split, 2, 16, 1.0F};
    task.operands = {caches[0], d.a, caches[3], caches[4], partials};
    task.ranges = {{0, abi::Span::kWhole, 0, 4}, {1, abi::Span::kWhole, 0, kHeadBytes}};
    for (const uint8_t cache : {uint8_t{2}, uint8_t{3}}) {
      task.ranges.push_back({cache, abi::Span::kPast, 0, kHeadBytes});
      if (split == 1) task.ranges.push_back({cache, abi::Span::kCurrent, 0, kHeadBytes});
    }
    task.ranges.push_back({4, abi::Span::kWhole, 0, kPartialBytes});
    if (split == 1) {
      task.operands.push_back(y);
      task.ranges.push_back({5, abi::Span::kWhole, 0, kHeadBytes});
    }
    d.program.counters.push_back({0, "split"});
    task.signal = CounterId(static_cast<uint32_t>(d.program.counters.size() - 1));
    d.program.tasks.push_back(task);
    d.program.placement.queues[1].emplace_back(static_cast<uint32_t>(d.program.tasks.size() - 1));
  }
  d.task(TaskId(static_cast<uint32_t>(d.program.tasks.size() - 2))).waits = {{d.task(d.fill_a).signal, 1}};
  d.refresh_pages();
  return TaskId(static_cast<uint32_t>(d.program.tasks.size() - 1));
}

void add_choice(Diamond& d) {
  const BufferId logits = d.task(add_product(d)).operands[2];
  auto& buffers = d.program.buffers;
  // What the product writes is an output, and has no page.
  buffers[logits.index()].name = "logits";
  buffers[logits.index()].kind = abi::BufferKind::kOutput;
  buffers[logits.index()].space = schedule::Space::kGlobal;
  d.program.pages.pop_back();
  abi::Shape index_shape;
  index_shape.dtype = abi::Dtype::kU32;
  index_shape.rank = 1;
  const BufferId token(static_cast<uint32_t>(buffers.size()));
  buffers.push_back({"next_token", abi::BufferKind::kOutput, index_shape, schedule::Space::kGlobal, ""});
  const BufferId value = d.vector("value"), index = d.vector("index");
  buffers[value.index()].shape.extent[0] = 1;
  buffers[index.index()].shape = index_shape;
  const auto append = [&](abi::Opcode opcode, instructions::Params params, std::vector<BufferId> operands,
                          std::vector<abi::Range> ranges) {
    d.program.counters.push_back({0, "choice"});
    schedule::Task task;
    task.opcode = opcode;
    task.params = params;
    task.operands = std::move(operands);
    task.ranges = std::move(ranges);
    task.signal = CounterId(static_cast<uint32_t>(d.program.counters.size() - 1));
    d.program.tasks.push_back(std::move(task));
    d.program.placement.queues[1].emplace_back(static_cast<uint32_t>(d.program.tasks.size() - 1));
  };
  constexpr abi::Span kWhole = abi::Span::kWhole;
  append(abi::Opcode::kArgmax, abi::ArgmaxParams{0, 8, 0}, {logits, value, index},
         {{0, kWhole, 0, 32}, {1, kWhole, 0, 4}, {2, kWhole, 0, 4}});
  append(abi::Opcode::kArgmaxCombine, abi::ArgmaxCombineParams{1}, {value, index, token},
         {{0, kWhole, 0, 4}, {1, kWhole, 0, 4}, {2, kWhole, 0, 4}});
  d.program.config.tokens_per_launch = d.program.launch.tokens_per_launch = 2;
  d.refresh_pages();
}

namespace {

/// A table of half the rows besides, which nobody reads yet.
void with_choice(Diamond& d) {
  add_choice(d);
  d.program.buffers.push_back(d.program.buffers[1]);
  d.program.buffers.back().shape.extent[0] = 4;
}
void with_splits(Diamond& d) { add_splits(d); }
void as_it_is(Diamond&) {}
void with_product(Diamond& d) { add_product(d); }
void with_cache(Diamond& d) { add_cache(d, 16); }
void with_unused_weight(Diamond& d) { d.program.buffers.push_back(d.program.buffers[1]); }
void for_t4(Diamond& d) {
  d.program.target = "t4";
  d.program.launch.stream_backend = abi::StreamBackend::kPlain;
  d.program.launch.products = abi::Products::kFloat32;
}

schedule::Task& last_task(Diamond& d) { return d.program.tasks.back(); }

std::vector<RuleCase> form_cases() {
  return {
      {Rule::kTarget, "a target that is not in the table", as_it_is, [](Diamond& d) { d.program.target = "h1000"; }},
      {Rule::kCapacity, "an IR version from the future", as_it_is, [](Diamond& d) { d.program.ir_version = 2; }},
      {Rule::kCapacity, "more scratch memory than addresses are kept for", as_it_is,
       [](Diamond& d) { d.program.scratch_bytes = uint64_t{1} << 43; }},
      {Rule::kBufferShape, "a weight without elements", with_unused_weight,
       [](Diamond& d) { d.program.buffers.back().shape.extent[1] = 0; }},
      {Rule::kBufferShape, "a vector of weights that is quantised",
       [](Diamond& d) {
         with_unused_weight(d);
         d.program.buffers.back().shape = {abi::Dtype::kF32, 1, {64, 1, 1, 1}};
       },
       [](Diamond& d) { d.program.buffers.back().shape.dtype = abi::Dtype::kI8G64; }},
      {Rule::kBufferShape, "an activation that is quantised",
       [](Diamond& d) {
         with_unused_weight(d);
         d.program.buffers.back().shape.dtype = abi::Dtype::kI4Row;
       },
       [](Diamond& d) { d.program.buffers.back().kind = abi::BufferKind::kActivation; }},
      {Rule::kBufferSpace, "a weight in scratch memory", with_unused_weight,
       [](Diamond& d) { d.program.buffers.back().space = schedule::Space::kScratch; }},
      {Rule::kBufferSpace, "a space that is not in the table", as_it_is,
       [](Diamond& d) { d.program.buffers[1].space = static_cast<schedule::Space>(200); }},
      {Rule::kBufferKv, "a cache of another context than the program's", with_cache,
       [](Diamond& d) { --d.program.buffers.back().shape.extent[1]; }},
      {Rule::kReference, "a wait for a counter that does not exist", as_it_is,
       [](Diamond& d) {
         d.task(d.sum).waits.push_back({CounterId(99), 1});
       }},
      {Rule::kReference, "a page of a buffer that does not exist", as_it_is,
       [](Diamond& d) {
         d.program.pages.push_back({BufferId(99), 0, 128, TaskId(0), TaskId(0)});
       }},
      {Rule::kReference, "an operand that does not exist", as_it_is,
       [](Diamond& d) { d.task(d.last).operands[0] = BufferId(99); }},
      {Rule::kReference, "an instruction that does not exist", as_it_is,
       [](Diamond& d) { d.task(d.last).opcode = static_cast<abi::Opcode>(200); }},
      {Rule::kOperandKind, "a weight added as if it were an activation", as_it_is,
       [](Diamond& d) { d.task(d.last).operands[1] = BufferId(1); }},
      {Rule::kOperandKind, "a matrix of one column in place of a vector", as_it_is,
       [](Diamond& d) { d.program.buffers[d.d.index()].shape.rank = 2; }},
      {Rule::kOperandKind, "an operand too few", as_it_is, [](Diamond& d) { d.task(d.last).operands.pop_back(); }},
      {Rule::kOperandKind, "the position in place of the token, which indexes a table", with_cache,
       [](Diamond& d) { d.task(d.fill_a).operands[0] = last_task(d).operands[0]; }},
      {Rule::kParamRange, "a slice beyond the vector", as_it_is,
       [](Diamond& d) {
         d.task(d.last).params = abi::ElementwiseParams{32, 64};
       }},
      {Rule::kParamRange, "parameters of another instruction", as_it_is,
       [](Diamond& d) {
         d.task(d.last).params = abi::RopeParams{0, 64};
       }},
      {Rule::kAccessContract, "a read that is not declared", as_it_is,
       [](Diamond& d) { d.task(d.last).ranges.erase(d.task(d.last).ranges.begin()); }},
      {Rule::kAccessContract, "a write declared shorter than it is", as_it_is,
       [](Diamond& d) { d.task(d.last).ranges.back().end -= 4; }},
      {Rule::kAttentionBlocks, "a split that counts in other blocks than the one that joins it", with_splits,
       [](Diamond& d) { std::get<abi::AttentionParams>(last_task(d).params).kv_block = 32; }},
      {Rule::kArch, "instructions that ask for an architecture beyond the target's", as_it_is, as_it_is, {{}, 1000}},
      {Rule::kKnob, "a knob out of range", as_it_is, [](Diamond& d) { d.program.config.attention_kv_block = 17; }},
      {Rule::kKnob, "a fusion that no instruction does", as_it_is,
       [](Diamond& d) {
         d.program.config.fusion_grouping = {{"rope", "down"}};
       }},
  };
}

std::vector<RuleCase> cover_cases() {
  return {
      {Rule::kBounds, "a write that ends beyond its buffer", as_it_is,
       [](Diamond& d) { d.task(d.last).ranges.back().end += 4; }},
      {Rule::kBounds, "a write beyond the row of the cache", with_cache,
       [](Diamond& d) { last_task(d).ranges[4].end += 8; }},
      {Rule::kBounds, "a read that is empty", as_it_is,
       [](Diamond& d) { d.task(d.last).ranges[0].end = d.task(d.last).ranges[0].begin; }},
      {Rule::kSpan, "a cache written as if it had no positions", with_cache,
       [](Diamond& d) { last_task(d).ranges[3].span = abi::Span::kWhole; }},
      {Rule::kSpan, "past positions of an activation", as_it_is,
       [](Diamond& d) { d.task(d.last).ranges[0].span = abi::Span::kPast; }},
      {Rule::kReadOnly, "a write to past positions", with_cache,
       [](Diamond& d) { last_task(d).ranges[3].span = abi::Span::kPast; }},
      {Rule::kUnwritten, "a vector of which nobody writes the second half", as_it_is,
       [](Diamond& d) {
         d.task(d.fill_b).params = abi::EmbedParams{0, 32};
         d.task(d.fill_b).ranges.back().end = 128;
       }},
      {Rule::kUnwritten, "a half that is never written, in a page that held another vector",
       [](Diamond& d) {
         // e is filled anew where c was, and read.
         const BufferId e = d.vector("e"), f = d.vector("f");
         d.fill(0, e);
         d.add(0, e, d.a, f);
         d.overlay(e, d.c);
       },
       [](Diamond& d) {
         schedule::Task& fill = d.program.tasks[d.program.tasks.size() - 2];
         fill.params = abi::EmbedParams{0, 32};
         fill.ranges.back().end = 128;
       }},
      {Rule::kStale, "a vector overwritten through another one before it is read",
       [](Diamond& d) { d.add(0, d.d, d.b, d.vector("e")); }, [](Diamond& d) { d.overlay(d.d, d.b); }},
      {Rule::kOutput, "a head of the cache that nobody appends to", with_cache,
       [](Diamond& d) {
         // The last head's task appends to the head before.
         --std::get<abi::KvAppendParams>(last_task(d).params).kv_head;
         for (size_t i = 1; i < last_task(d).ranges.size(); ++i) {
           last_task(d).ranges[i].begin -= 8;
           last_task(d).ranges[i].end -= 8;
         }
       }},
  };
}

std::vector<RuleCase> order_cases() {
  return {
      {Rule::kQueueOnce, "a task in no queue", as_it_is, [](Diamond& d) { d.program.placement.queues[0].pop_back(); }},
      {Rule::kQueueOnce, "a task in two queues", as_it_is,
       [](Diamond& d) { d.program.placement.queues[1].push_back(d.last); }},
      {Rule::kCounterZero, "a counter that starts at one", as_it_is,
       [](Diamond& d) { d.program.counters[0].initial = 1; }},
      {Rule::kThreshold, "a threshold above the producers", as_it_is,
       [](Diamond& d) { d.task(d.sum).waits[0].threshold = 2; }},
      {Rule::kThreshold, "a threshold of zero, which is no wait", as_it_is,
       [](Diamond& d) { d.task(d.sum).waits[0].threshold = 0; }},
      {Rule::kNoProducer, "a wait for a counter that nobody increments",
       [](Diamond& d) {
         d.program.counters.push_back({0, "nobody's"});
       },
       [](Diamond& d) {
         d.task(d.last).waits.push_back({CounterId(static_cast<uint32_t>(d.program.counters.size() - 1)), 1});
       }},
      {Rule::kDeadlock, "a task that waits for itself", as_it_is, [](Diamond& d) { d.wait(d.last, {d.last}); }},
      {Rule::kDeadlock, "two tasks that wait for each other", as_it_is, [](Diamond& d) { d.wait(d.fill_b, {d.last}); }},
      {Rule::kDeadlock, "a reader queued before its producer", as_it_is,
       [](Diamond& d) { std::swap(d.program.placement.queues[0][0], d.program.placement.queues[0][1]); }},
      {Rule::kReadWrite, "a dropped wait", as_it_is, [](Diamond& d) { d.task(d.sum).waits.pop_back(); }},
      {Rule::kReadWrite, "a page given away while it is still read",
       [](Diamond& d) {
         const BufferId e = d.vector("e");
         d.wait(d.fill(1, e), {d.sum});
       },
       [](Diamond& d) { d.overlay(BufferId(d.d.index() + 1), d.c); }},
      {Rule::kWriteWrite, "two fills of one vector on two SMs",
       [](Diamond& d) {
         const BufferId e = d.vector("e");
         const TaskId first = d.fill(0, e);
         d.wait(d.fill(1, e), {first});
       },
       [](Diamond& d) { last_task(d).waits.clear(); }},
      {Rule::kSelfOverlap, "a sum written over its own input", as_it_is, [](Diamond& d) { d.overlay(d.d, d.c); }},
  };
}

std::vector<RuleCase> page_cases() {
  return {
      {Rule::kPageMissing, "an activation without a page", as_it_is, [](Diamond& d) { d.program.pages.pop_back(); }},
      {Rule::kPageMissing, "a page for a weight", as_it_is,
       [](Diamond& d) {
         d.program.pages.push_back({BufferId(1), 0, 0, TaskId(0), TaskId(0)});
       }},
      {Rule::kPageBounds, "a page beyond the scratch memory", as_it_is,
       [](Diamond& d) { d.page(d.d).offset += 1 << 20; }},
      {Rule::kPageBounds, "a page that is not aligned", [](Diamond& d) { d.program.scratch_bytes += 128; },
       [](Diamond& d) { d.page(d.d).offset += 4; }},
      {Rule::kPageBounds, "a page smaller than its vector", as_it_is, [](Diamond& d) { d.page(d.d).size = 128; }},
      {Rule::kPageLive, "a page that says it dies too early", as_it_is, [](Diamond& d) { d.page(d.a).last = d.sum; }},
  };
}

std::vector<RuleCase> launch_cases() {
  return {
      {Rule::kGrid, "a queue more than the target has SMs", [](Diamond& d) { d.program.placement.queues.resize(132); },
       [](Diamond& d) { d.program.placement.queues.emplace_back(); }},
      {Rule::kThreads, "threads that are no whole warps", as_it_is,
       [](Diamond& d) { d.program.launch.threads_per_block = 100; }},
      {Rule::kSharedMemory, "a ring larger than the block may have", as_it_is,
       [](Diamond& d) {
         d.program.launch.activation_bytes = 300 << 10;
         d.program.launch.smem_bytes = 2 * 2048 + (300 << 10) + schedule::control_bytes(544);
       }},
      {Rule::kSharedMemory, "parts that do not sum to the whole", as_it_is,
       [](Diamond& d) { d.program.launch.smem_bytes += 128; }},
      {Rule::kRing, "more copies in flight than stages", as_it_is,
       [](Diamond& d) { d.program.launch.copies_in_flight = 3; }},
      {Rule::kRing, "no copy in flight", as_it_is, [](Diamond& d) { d.program.launch.copies_in_flight = 0; }},
      {Rule::kRing, "more stages than the kernel has barriers for", as_it_is,
       [](Diamond& d) {
         d.program.launch.stages = 33;
         d.program.launch.smem_bytes += 31 * 2048;
       }},
      {Rule::kRing, "a stage too small for a tile", with_product,
       [](Diamond& d) {
         d.program.launch.stage_bytes -= 128;
         d.program.launch.smem_bytes -= 2 * 128;
       }},
      {Rule::kActivationArea, "an area one unit too small for the product's input",
       [](Diamond& d) {
         add_product(d);  // 64 columns of float32, and no byte more
         d.program.launch.activation_bytes -= 768;
         d.program.launch.smem_bytes -= 768;
       },
       [](Diamond& d) {
         d.program.launch.activation_bytes -= 128;
         d.program.launch.smem_bytes -= 128;
       }},
      {Rule::kActivationArea, "an area that leaves what stands behind it unaligned", as_it_is,
       [](Diamond& d) {
         d.program.launch.activation_bytes += 4;
         d.program.launch.smem_bytes += 4;
       }},
      {Rule::kProducts, "tensor cores on a T4", for_t4,
       [](Diamond& d) { d.program.launch.products = abi::Products::kTensorCores; }},
      {Rule::kProducts, "a way to multiply that is not in the table", as_it_is,
       [](Diamond& d) { d.program.launch.products = static_cast<abi::Products>(200); }},
      {Rule::kProducts, "a protocol that is not in the table", as_it_is,
       [](Diamond& d) { d.program.launch.sync_protocol = static_cast<abi::SyncProtocol>(200); }},
      {Rule::kBackend, "bulk copies on a T4", for_t4,
       [](Diamond& d) { d.program.launch.stream_backend = abi::StreamBackend::kBulk; }},
      {Rule::kBackend, "a back end that is not in the table", as_it_is,
       [](Diamond& d) { d.program.launch.stream_backend = static_cast<abi::StreamBackend>(200); }},
      {Rule::kTokens, "tokens per launch other than the schedule says", as_it_is,
       [](Diamond& d) { d.program.launch.tokens_per_launch = 2; }},
      {Rule::kTokens, "a table that is shorter than what the pass before may choose", with_choice,
       [](Diamond& d) {
         d.task(d.fill_b).operands[1] = BufferId(static_cast<uint32_t>(d.program.buffers.size() - 1));
         d.task(d.fill_b).ranges[1].end /= 2;
       }},
  };
}

/// Records at which two lists differ; those that only one of them has count.
template <typename T>
uint64_t differing(const std::vector<T>& a, const std::vector<T>& b) {
  uint64_t count = std::max(a.size(), b.size()) - std::min(a.size(), b.size());
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) count += a[i] == b[i] ? 0U : 1U;
  return count;
}

}  // namespace

schedule::Program RuleCase::neighbour() const {
  Diamond diamond;
  prepare(diamond);
  return std::move(diamond.program);
}

schedule::Program RuleCase::broken() const {
  Diamond diamond;
  prepare(diamond);
  edit(diamond);
  return std::move(diamond.program);
}

const std::vector<RuleCase>& rule_cases() {
  static const std::vector<RuleCase> all = [] {
    std::vector<RuleCase> cases;
    for (const auto& part : {form_cases(), cover_cases(), order_cases(), page_cases(), launch_cases()}) {
      cases.insert(cases.end(), part.begin(), part.end());
    }
    return cases;
  }();
  return all;
}

uint64_t edits_between(const schedule::Program& a, const schedule::Program& b) {
  const auto changed = [](bool equal) { return equal ? 0U : 1U; };
  return differing(a.buffers, b.buffers) + differing(a.counters, b.counters) + differing(a.tasks, b.tasks) +
         differing(a.placement.queues, b.placement.queues) + differing(a.pages, b.pages) +
         changed(a.target == b.target) + changed(a.meta == b.meta) + changed(a.config == b.config) +
         changed(a.launch == b.launch) + changed(a.ir_version == b.ir_version) +
         changed(a.scratch_bytes == b.scratch_bytes);
}

}  // namespace amk::test
