#include "campaign/small_program.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/checked.h"
#include "campaign/edits.h"

namespace amk::campaign {
namespace {

using abi::BufferKind;
using schedule::Program;
using schedule::Space;
using schedule::Task;

constexpr uint32_t kSize = 64;     ///< elements of a vector
constexpr uint32_t kHeadDim = 32;  ///< two heads a vector
constexpr uint32_t kHeads = kSize / kHeadDim;
constexpr uint32_t kRows = 8;  ///< of the table, and elements of the output
constexpr uint32_t kContext = 16;
constexpr uint32_t kThreads = 544;

schedule::Launch sound_launch() {
  schedule::Launch launch;
  launch.threads_per_block = kThreads;
  launch.stages = 2;
  launch.stage_bytes = 2048;
  launch.activation_bytes = 16384;
  launch.smem_bytes = 2 * 2048 + 16384 + schedule::control_bytes(kThreads);
  launch.copies_in_flight = 2;
  return launch;
}

class SmallProgram {
 public:
  explicit SmallProgram(Random& random) : random_(random) {
    program_.meta = {"small", kContext, "small"};
    program_.target = "h100";
    program_.launch = sound_launch();
    program_.placement.queues.resize(1 + below(4));
    token_ = buffer("token", BufferKind::kInput, abi::Dtype::kU32, {1});
    table_ = buffer("table", BufferKind::kWeight, abi::Dtype::kF32, {kRows, kSize});
  }

  Program draw() {
    chance(0.75) ? draw_vectors() : draw_attention();
    while (chance(0.3)) overlay();
    const double care = chance(0.6) ? 1.0 : 0.6 + 0.4 * random_.uniform();
    for (uint32_t i = 0; i < program_.tasks.size(); ++i) wait_for_conflicts(i, care);
    if (chance(0.25)) program_.tasks[some_task()].signal = program_.tasks[some_task()].signal;
    if (chance(0.3)) renumber();
    join_waits(program_);
    refresh_lives(program_);
    return std::move(program_);
  }

 private:
  uint32_t below(uint64_t bound) { return static_cast<uint32_t>(random_.below(bound)); }
  bool chance(double probability) { return random_.uniform() < probability; }
  uint32_t some_task() { return below(program_.tasks.size()); }

  // ---- buffers ----
  BufferId buffer(std::string name, BufferKind kind, abi::Dtype dtype, std::initializer_list<uint64_t> extents) {
    abi::Shape shape;
    shape.dtype = dtype;
    shape.rank = static_cast<uint32_t>(extents.size());
    std::copy(extents.begin(), extents.end(), shape.extent);
    const BufferId id(static_cast<uint32_t>(program_.buffers.size()));
    const bool activation = kind == BufferKind::kActivation;
    program_.buffers.push_back({std::move(name), kind, shape, activation ? Space::kScratch : Space::kGlobal, ""});
    if (!activation) return id;
    const uint64_t size = round_up(abi::size_bytes(shape), schedule::kPageAlignment);
    program_.pages.push_back({id, program_.scratch_bytes, size, {}, {}});
    program_.scratch_bytes += size;
    return id;
  }
  BufferId vector() { return buffer("v", BufferKind::kActivation, abi::Dtype::kF32, {kSize}); }
  BufferId cache(std::string name) {
    return buffer(std::move(name), BufferKind::kKvCache, abi::Dtype::kF32, {kHeads, kContext, kHeadDim});
  }

  // ---- tasks ----
  void task(abi::Opcode opcode, instructions::Params params, std::vector<BufferId> operands) {
    Task task;
    task.opcode = opcode;
    task.params = params;
    task.operands = std::move(operands);
    AMK_ASSERT(derive_ranges(program_, task), "tasks of small programs have parameters that fit");
    const TaskId id(static_cast<uint32_t>(program_.tasks.size()));
    task.signal = CounterId(id.index());
    task.label = "t" + std::to_string(id.index());
    program_.counters.push_back({0, ""});
    program_.tasks.push_back(std::move(task));
    program_.placement.queues[below(program_.placement.queues.size())].push_back(id);
  }
  void fill(BufferId y, uint32_t begin = 0, uint32_t count = kSize) {
    task(abi::Opcode::kEmbed, abi::EmbedParams{begin, count}, {token_, table_, y});
  }
  void product(BufferId x, BufferId y, uint32_t begin, uint32_t count) {
    task(abi::Opcode::kGemv, abi::GemvParams{begin, count, kSize, kHeadDim}, {table_, x, y});
  }

  // ---- programs of vectors ----
  void draw_vectors() {
    const uint32_t vectors = 2 + below(4);
    for (uint32_t i = 0; i < vectors; ++i) vectors_.push_back(vector());
    written_.assign(vectors, 0);
    const uint32_t tasks = 1 + below(8);
    for (uint32_t i = 0; i < tasks; ++i) add_step(i == 0, tasks - i);
    if (!output_.valid() || open_rows_ == 0 || chance(0.1)) return;
    if (program_.tasks.size() < 8) product(readable(), output_, kRows - open_rows_, open_rows_);
  }

  void add_step(bool first, uint32_t left) {
    const uint32_t what = below(10);
    if (first || what < 3) return fill_some(left);
    const auto [begin, count] = slice();
    if (what < 8) {
      const BufferId x = readable(), residual = readable();
      return task(abi::Opcode::kResidualAdd, abi::ElementwiseParams{begin, count},
                  {x, residual, written(begin, count)});
    }
    if (output_.valid() && open_rows_ == 0) return;
    if (!output_.valid()) output_ = buffer("out", BufferKind::kOutput, abi::Dtype::kF32, {kRows});
    const uint32_t rows = open_rows_ > 4 && chance(0.5) ? 4 : open_rows_;
    product(readable(), output_, kRows - open_rows_, rows);
    open_rows_ -= rows;
  }

  /// A vector filled by one task, or by two halves.
  void fill_some(uint32_t left) {
    const BufferId y = written(0, kSize);
    if (left < 2 || chance(0.6)) return fill(y);
    fill(y, 0, kSize / 2);
    fill(y, kSize / 2, kSize / 2);
  }

  std::pair<uint32_t, uint32_t> slice() {
    constexpr std::array<std::pair<uint32_t, uint32_t>, 6> kSlices = {
        {{0, 64}, {0, 64}, {0, 32}, {32, 32}, {16, 32}, {8, 8}}};
    return kSlices[below(kSlices.size())];
  }
  BufferId written(uint32_t begin, uint32_t count) {
    const uint32_t i = below(vectors_.size());
    if (begin == 0 && count == kSize) written_[i] = 1;
    return vectors_[i];
  }
  /// Mostly a vector that a task before has written whole.
  BufferId readable() {
    const uint32_t first = below(vectors_.size());
    for (uint32_t i = 0; i < vectors_.size() && !chance(0.03); ++i) {
      const uint32_t at = (first + i) % static_cast<uint32_t>(vectors_.size());
      if (written_[at] != 0) return vectors_[at];
    }
    return vectors_[first];
  }

  // ---- programs of an attention ----
  void draw_attention() {
    const BufferId position = buffer("position", BufferKind::kInput, abi::Dtype::kU32, {1});
    const BufferId keys = cache("keys"), values = cache("values");
    const uint32_t splits = 1 + below(2);
    const BufferId x = vector(), y = vector();
    const BufferId partials =
        buffer("partials", BufferKind::kActivation, abi::Dtype::kF32, {kHeads, splits, kHeadDim + 2});
    fill(x);
    for (uint32_t head = 0; head < kHeads; ++head) {
      if (chance(0.03)) continue;
      task(abi::Opcode::kKvAppend, abi::KvAppendParams{head, kHeadDim}, {position, x, x, keys, values});
    }
    const uint32_t heads = chance(0.5) || splits == 2 ? 1 : kHeads;
    for (uint32_t head = 0; head < heads; ++head) {
      for (uint32_t split = 0; split < splits; ++split) {
        task(abi::Opcode::kAttention, abi::AttentionParams{head, 1, kHeadDim, split, splits, kContext, 1.0F},
             {position, x, keys, values, partials});
      }
      task(abi::Opcode::kCombine, abi::CombineParams{head, kHeadDim, splits}, {partials, y});
    }
    if (program_.tasks.size() == 8 || chance(0.5)) return;
    task(abi::Opcode::kResidualAdd, abi::ElementwiseParams{0, heads * kHeadDim}, {y, x, vector()});
  }

  // ---- order ----
  /// Where a range lies: apart for every buffer, and for activations where their pages are.
  uint64_t place(const Task& task, const abi::Range& range) const {
    const BufferId buffer = task.operands[range.operand];
    for (const schedule::Page& page : program_.pages) {
      if (page.buffer == buffer) return page.offset;
    }
    return ((uint64_t{buffer.index()} + 1) * 4 + static_cast<uint64_t>(range.span)) << 32;
  }
  bool conflict(const Task& a, const Task& b) const {
    for (const abi::Range& x : a.ranges) {
      for (const abi::Range& y : b.ranges) {
        const bool writes = abi::operand(a.opcode, x.operand).access == abi::Access::kWrite ||
                            abi::operand(b.opcode, y.operand).access == abi::Access::kWrite;
        const uint64_t at = place(a, x), other = place(b, y);
        if (writes && at + x.begin < other + y.end && other + y.begin < at + x.end) return true;
      }
    }
    return false;
  }
  void wait_for_conflicts(uint32_t task, double care) {
    for (uint32_t other = 0; other < task; ++other) {
      if (!conflict(program_.tasks[task], program_.tasks[other]) || !chance(care)) continue;
      program_.tasks[task].waits.push_back({program_.tasks[other].signal, 1});
    }
  }
  /// A page over another, whole or shifted by half.
  void overlay() {
    std::vector<schedule::Page>& pages = program_.pages;
    const uint64_t shift = chance(0.5) ? 0 : schedule::kPageAlignment;
    schedule::Page& page = pages[below(pages.size())];
    page.offset = std::min(pages[below(pages.size())].offset + shift, program_.scratch_bytes - page.size);
  }
  /// Ids in another order than time.
  void renumber() {
    std::vector<uint32_t> id_of(program_.tasks.size());
    for (uint32_t i = 0; i < id_of.size(); ++i) id_of[i] = i;
    for (uint32_t i = 1; i < id_of.size(); ++i) std::swap(id_of[i], id_of[below(i + 1)]);
    std::vector<Task> tasks(program_.tasks.size());
    for (uint32_t i = 0; i < id_of.size(); ++i) tasks[id_of[i]] = std::move(program_.tasks[i]);
    program_.tasks = std::move(tasks);
    for (auto& queue : program_.placement.queues) {
      for (TaskId& task : queue) task = TaskId(id_of[task.index()]);
    }
  }

  Random& random_;
  Program program_;
  BufferId token_;
  BufferId table_;
  BufferId output_;
  uint32_t open_rows_ = kRows;  ///< of the output, not yet written
  std::vector<BufferId> vectors_;
  std::vector<uint8_t> written_;  ///< by vector: whether a task writes it whole
};

}  // namespace

schedule::Program small_program(Random& random) { return SmallProgram(random).draw(); }

}  // namespace amk::campaign
