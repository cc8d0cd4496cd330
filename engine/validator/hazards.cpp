// Covered and free of hazards: what is read was written before, and no two tasks race for a byte.
//
// All memory that a pass writes is laid out as one address line: the scratch pages where they really lie, then every
// output, then the current row of every KV cache. The tasks are taken in the topological order that progress.cpp
// found, each with a vector clock (per SM, how many of its tasks are certainly done before this one starts). One task
// is ordered after another exactly when its clock has passed the other's place; comparing each access with the last
// writers, and each write with the readers since, covers every pair by transitivity.
//
// To stay linear, equal read ranges share one record: the join of their readers' clocks, and the join of the writers
// they depend on, recomputed only after a write.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/checked.h"
#include "validator/context.h"

namespace amk::validator {
namespace {

using abi::Rule;
using schedule::Program;
using schedule::Task;

constexpr uint64_t kNoAddress = UINT64_MAX;

// A forward pass needs far less of each; a program beyond them is answered "unproven", not waited for.
constexpr uint64_t kTouchesMax = 1ULL << 28;
constexpr uint64_t kCoversMax = 1ULL << 28;
constexpr uint64_t kClockEntriesMax = 1ULL << 28;
constexpr uint64_t kStepsMax = 1ULL << 30;  // of the walk: seconds

class HazardCheck {
 public:
  explicit HazardCheck(Context& context)
      : context_(context),
        program_(context.program),
        work_(context.work),
        sms_(context.program.placement.queues.size()),
        tables_(context.work.hazards) {}

  /// False when it was given up: the program is beyond the limits above.
  bool run() {
    if (!find_doubtful()) return true;  // rejected already, and nothing more can be said
    lay_out();
    if (!collect_touches()) return false;
    make_records();
    cut_segments();
    if (!make_covers()) return false;
    if (!walk()) return false;
    check_outputs();
    return true;
  }

 private:
  // ---- the address line ----

  /// Marks the buffers of tasks that were refused: what becomes of their bytes is not known, and would only be reported
  /// again at each reader. False when a task may touch anything, because an operand is missing or does not exist.
  bool find_doubtful() {
    tables_.doubtful.assign(program_.buffers.size(), 0);
    for (uint32_t id = 0; id < program_.tasks.size(); ++id) {
      if (work_.task_sound[id] != 0) continue;
      const Task& task = program_.tasks[id];
      const bool known = static_cast<uint32_t>(task.opcode) < abi::kOpcodeCount &&
                         task.operands.size() == abi::operand_count(task.opcode);
      if (!known) return false;
      for (const BufferId operand : task.operands) {
        if (operand.index() >= program_.buffers.size()) return false;
        tables_.doubtful[operand.index()] = 1;
      }
    }
    return true;
  }

  void lay_out() {
    tables_.base.assign(program_.buffers.size(), kNoAddress);
    uint64_t next = program_.scratch_bytes;
    for (uint32_t i = 0; i < program_.buffers.size(); ++i) {
      if (work_.buffer_sound[i] == 0 || tables_.doubtful[i] != 0) continue;
      const abi::BufferKind kind = program_.buffers[i].kind;
      if (kind == abi::BufferKind::kActivation) {
        tables_.base[i] = work_.page_offset[i];
      } else if (kind == abi::BufferKind::kOutput || kind == abi::BufferKind::kKvCache) {
        tables_.base[i] = next;
        next += work_.buffer_size[i];  // at most kBuffersMax x kBufferBytesMax: below 2^62
      }
    }
  }

  bool collect_touches() {
    tables_.first_touch.assign(program_.tasks.size() + 1, 0);
    tables_.touches.clear();
    for (uint32_t id = 0; id < program_.tasks.size(); ++id) {
      tables_.first_touch[id] = static_cast<uint32_t>(tables_.touches.size());
      if (work_.task_sound[id] == 0) continue;
      const Task& task = program_.tasks[id];
      for (const abi::Range& range : task.ranges) {
        const uint32_t buffer = task.operands[range.operand].index();
        if (tables_.base[buffer] == kNoAddress || range.span == abi::Span::kPast) continue;
        const bool is_write = abi::operand(task.opcode, range.operand).access == abi::Access::kWrite;
        tables_.touches.push_back(
            {tables_.base[buffer] + range.begin, tables_.base[buffer] + range.end, id, buffer, kNone, is_write});
      }
      if (tables_.touches.size() > kTouchesMax) return false;
    }
    tables_.first_touch.back() = static_cast<uint32_t>(tables_.touches.size());
    return true;
  }

  void make_records() {
    tables_.reads.clear();
    for (uint32_t i = 0; i < tables_.touches.size(); ++i) {
      if (!tables_.touches[i].is_write) tables_.reads.push_back(i);
    }
    const auto key = [&](uint32_t i) { return std::tuple(tables_.touches[i].begin, tables_.touches[i].end); };
    std::sort(tables_.reads.begin(), tables_.reads.end(), [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
    tables_.records.clear();
    for (const uint32_t read : tables_.reads) {
      Touch& touch = tables_.touches[read];
      if (tables_.records.empty() ||
          std::tuple(tables_.records.back().begin, tables_.records.back().end) != key(read)) {
        tables_.records.push_back({touch.begin, touch.end});
      }
      touch.record = static_cast<uint32_t>(tables_.records.size() - 1);
    }
  }

  void cut_segments() {
    tables_.cuts.clear();
    const auto cut = [&](uint64_t begin, uint64_t end) {
      tables_.cuts.push_back(begin);
      tables_.cuts.push_back(end);
    };
    for (const ReadRecord& record : tables_.records) cut(record.begin, record.end);
    for (const Touch& touch : tables_.touches) {
      if (touch.is_write) cut(touch.begin, touch.end);
    }
    for (uint32_t i = 0; i < tables_.base.size(); ++i) {
      if (must_be_written(i)) cut(tables_.base[i], tables_.base[i] + work_.buffer_size[i]);
    }
    std::sort(tables_.cuts.begin(), tables_.cuts.end());
    tables_.cuts.erase(std::unique(tables_.cuts.begin(), tables_.cuts.end()), tables_.cuts.end());
    tables_.segments.clear();
    for (const uint64_t begin : tables_.cuts) tables_.segments.push_back({begin});
  }

  [[nodiscard]] uint32_t segment_at(uint64_t address) const {
    const auto at = std::lower_bound(tables_.cuts.begin(), tables_.cuts.end(), address);
    return static_cast<uint32_t>(at - tables_.cuts.begin());
  }

  /// Lists for every segment the records that it is part of.
  bool make_covers() {
    if (tables_.records.size() * sms_ > kClockEntriesMax) return false;
    uint64_t count = 0;
    for (ReadRecord& record : tables_.records) {
      record.first_segment = segment_at(record.begin);
      record.end_segment = segment_at(record.end);
      count += record.end_segment - record.first_segment;
      if (count > kCoversMax) return false;
      for (uint32_t s = record.first_segment; s < record.end_segment; ++s) ++tables_.segments[s].first_cover;
    }
    // Counts become ends, and, as each list is filled from its end, beginnings.
    for (size_t s = 1; s < tables_.segments.size(); ++s)
      tables_.segments[s].first_cover += tables_.segments[s - 1].first_cover;
    tables_.covers.assign(count, {});
    for (uint32_t i = 0; i < tables_.records.size(); ++i) {
      for (uint32_t s = tables_.records[i].first_segment; s < tables_.records[i].end_segment; ++s) {
        tables_.covers[--tables_.segments[s].first_cover] = {i, 0};
      }
    }
    tables_.reader_clock.assign(tables_.records.size() * sms_, 0);
    tables_.writer_clock.assign(tables_.records.size() * sms_, 0);
    return true;
  }

  // ---- the walk ----

  bool walk() {
    tables_.now.assign(sms_ * sms_, 0);
    tables_.waiters_left = work_.waiters;
    tables_.slot_of.assign(program_.counters.size(), kNone);
    tables_.slot_clock.clear();
    tables_.free_slots.clear();
    tables_.early_reads.clear();
    for (const uint32_t id : work_.order) {
      const Task& task = program_.tasks[id];
      uint32_t* now = &tables_.now[work_.sm_of[id] * sms_];
      for (const schedule::Wait& wait : task.waits) join(wait.counter.index(), now);
      for (uint32_t i = tables_.first_touch[id]; i < tables_.first_touch[id + 1]; ++i) {
        if (!tables_.touches[i].is_write) read(tables_.touches[i], now);
      }
      for (uint32_t i = tables_.first_touch[id]; i < tables_.first_touch[id + 1]; ++i) {
        if (tables_.touches[i].is_write) write(tables_.touches[i], now);
      }
      if (steps_ > kStepsMax) return false;
      now[work_.sm_of[id]] = done_at(id);
      if (work_.waiters[task.signal.index()] != 0) signal(task.signal.index(), now);
    }
    return true;
  }

  void join(uint32_t counter, uint32_t* now) {
    const uint32_t slot = tables_.slot_of[counter];
    raise(now, &tables_.slot_clock[slot * sms_]);
    if (--tables_.waiters_left[counter] == 0) tables_.free_slots.push_back(slot);
  }

  void signal(uint32_t counter, const uint32_t* now) {
    uint32_t& slot = tables_.slot_of[counter];
    if (slot == kNone) {
      slot = take_slot();
      std::copy(now, now + sms_, &tables_.slot_clock[slot * sms_]);
    } else {
      raise(&tables_.slot_clock[slot * sms_], now);
    }
  }

  uint32_t take_slot() {
    if (tables_.free_slots.empty()) {
      tables_.free_slots.push_back(static_cast<uint32_t>(tables_.slot_clock.size() / sms_));
      tables_.slot_clock.resize(tables_.slot_clock.size() + sms_);
    }
    const uint32_t slot = tables_.free_slots.back();
    tables_.free_slots.pop_back();
    return slot;
  }

  void raise(uint32_t* clock, const uint32_t* other) const {
    for (size_t sm = 0; sm < sms_; ++sm) clock[sm] = std::max(clock[sm], other[sm]);
  }
  [[nodiscard]] bool passed(const uint32_t* clock, const uint32_t* other) const {
    uint32_t behind = 0;
    for (size_t sm = 0; sm < sms_; ++sm) behind |= clock[sm] < other[sm] ? 1U : 0U;
    return behind == 0;
  }
  /// The clock entry of its SM that says that task `id` is done.
  [[nodiscard]] uint32_t done_at(uint32_t id) const { return work_.place_of[id] + 1; }
  [[nodiscard]] bool done(uint32_t id, const uint32_t* now) const { return now[work_.sm_of[id]] >= done_at(id); }

  void read(const Touch& touch, const uint32_t* now) {
    ReadRecord& record = tables_.records[touch.record];
    uint32_t* writers = &tables_.writer_clock[touch.record * sms_];
    if (!record.writers_known) join_writers(record, writers);
    const bool sound = record.whole && record.buffer == touch.buffer && passed(now, writers);
    if (!sound) explain_read(touch, record, now);
    const uint32_t sm = work_.sm_of[touch.task];
    uint32_t& reader = tables_.reader_clock[touch.record * sms_ + sm];
    reader = std::max(reader, done_at(touch.task));
    record.last_reader = touch.task;
    ++record.generation;
  }

  void join_writers(ReadRecord& record, uint32_t* writers) {
    std::fill(writers, writers + sms_, 0U);
    steps_ += record.end_segment - record.first_segment;
    record.whole = true;
    record.buffer = tables_.segments[record.first_segment].buffer;
    for (uint32_t s = record.first_segment; s < record.end_segment; ++s) {
      const Segment& segment = tables_.segments[s];
      if (segment.writer == kNone || segment.buffer != record.buffer) {
        record.whole = false;
        continue;
      }
      uint32_t& entry = writers[work_.sm_of[segment.writer]];
      entry = std::max(entry, done_at(segment.writer));
    }
    record.writers_known = true;
  }

  void write(const Touch& touch, const uint32_t* now) {
    uint32_t conflict = kNone;  // one finding for all segments of this range, naming the first
    const uint32_t end = segment_at(touch.end);
    for (uint32_t s = segment_at(touch.begin); s < end; ++s) {
      Segment& segment = tables_.segments[s];
      if (conflict == kNone && segment.writer != kNone && !done(segment.writer, now)) {
        conflict = segment.writer;
        report_pair(touch, conflict, segment_begin(touch, s), segment_end(touch, s), true);
      }
      if (segment.early_read != kNone) conflict = blame_early_reads(touch, segment, now, conflict);
      const uint32_t end_cover = tables_.segments[s + 1].first_cover;
      steps_ += 1 + end_cover - segment.first_cover;
      for (uint32_t i = segment.first_cover; i < end_cover; ++i) {
        Cover& cover = tables_.covers[i];
        ReadRecord& record = tables_.records[cover.record];
        record.writers_known = false;
        if (cover.checked_generation == record.generation) continue;
        cover.checked_generation = record.generation;
        if (conflict != kNone || passed(now, &tables_.reader_clock[cover.record * sms_])) continue;
        conflict = unfinished_reader(cover.record, now);
        report_pair(touch, conflict, segment_begin(touch, s), segment_end(touch, s), false);
      }
      segment.writer = touch.task;
      segment.buffer = touch.buffer;
    }
  }

  /// Reads reported as of unwritten bytes, or of another activation's, were in truth racing with this write of theirs,
  /// where nothing orders it after them. Returns the task that this write is now known to be in conflict with.
  uint32_t blame_early_reads(const Touch& touch, const Segment& segment, const uint32_t* now, uint32_t conflict) {
    for (uint32_t i = segment.early_read; i != kNone; i = tables_.early_reads[i].next) {
      ++steps_;
      EarlyRead& early = tables_.early_reads[i];
      if (early.finding == kNone || early.task == touch.task || done(early.task, now)) continue;
      if (segment.writer != kNone && early.buffer != touch.buffer) continue;
      Finding& finding = context_.findings[early.finding];
      finding.rule = Rule::kReadWrite;
      finding.tasks = {TaskId(early.task), TaskId(touch.task)};
      describe_race(finding, {early.task, false, early.buffer}, {touch.task, true, touch.buffer});
      early.finding = kNone;
      conflict = early.task;
    }
    return conflict;
  }

  // ---- findings ----

  /// Part of segment `s` that the touch covers, in bytes of its buffer.
  [[nodiscard]] uint64_t segment_begin(const Touch& touch, uint32_t s) const {
    return std::max(tables_.segments[s].begin, touch.begin) - tables_.base[touch.buffer];
  }
  [[nodiscard]] uint64_t segment_end(const Touch& touch, uint32_t s) const {
    return std::min(tables_.segments[s + 1].begin, touch.end) - tables_.base[touch.buffer];
  }

  /// Names the first segment of a read that was not written, was written through another buffer, or by a task that
  /// may not be done.
  void explain_read(const Touch& touch, const ReadRecord& record, const uint32_t* now) {
    const uint32_t buffer = touch.buffer;
    for (uint32_t s = record.first_segment; s < record.end_segment; ++s) {
      Segment& segment = tables_.segments[s];
      const uint64_t begin = segment_begin(touch, s);
      const uint64_t end = segment_end(touch, s);
      if (segment.writer == kNone) {
        const uint32_t writer = some_writer(buffer, begin, end);
        report_early(touch, segment, Rule::kUnwritten, {TaskId(touch.task)}, begin, end,
                     writer == kNone ? "expected a task that writes these bytes, found none that does"
                                     : fmt::format("expected an earlier task to write these bytes, found only task {} "
                                                   "'{}', which comes after the read",
                                                   writer, program_.tasks[writer].label));
        return;
      }
      if (!done(segment.writer, now)) {
        report_pair(touch, segment.writer, begin, end, false);
        return;
      }
      if (segment.buffer != buffer) {
        explain_other_buffer(touch, segment, begin, end);
        return;
      }
    }
  }

  /// The bytes were last written as part of another activation: by a page that is shared too early, or because no task
  /// writes them as part of this one.
  void explain_other_buffer(const Touch& touch, Segment& segment, uint64_t begin, uint64_t end) {
    const std::string& name = program_.buffers[touch.buffer].name;
    const std::string& other = program_.buffers[segment.buffer].name;
    const bool overwritten = some_writer(touch.buffer, begin, end) != kNone;
    report_early(touch, segment, overwritten ? Rule::kStale : Rule::kUnwritten,
                 {TaskId(touch.task), TaskId(segment.writer)}, begin, end,
                 overwritten
                     ? fmt::format("expected bytes last written as '{}', found them overwritten as '{}'", name, other)
                     : fmt::format("expected a task that writes these bytes of '{}', found none: they hold what was "
                                   "written there as '{}'",
                                   name, other));
  }

  /// A task that writes some of the bytes [begin, end) of a buffer, be it before or after; kNone where there is none.
  [[nodiscard]] uint32_t some_writer(uint32_t buffer, uint64_t begin, uint64_t end) {
    steps_ += tables_.touches.size();
    begin += tables_.base[buffer];
    end += tables_.base[buffer];
    const auto at = std::ranges::find_if(tables_.touches, [&](const Touch& touch) {
      return touch.is_write && touch.buffer == buffer && touch.begin < end && begin < touch.end;
    });
    return at == tables_.touches.end() ? kNone : at->task;
  }

  /// Reports a read that came too early, and remembers it: a later write may show that the two race.
  void report_early(const Touch& touch, Segment& segment, Rule rule, std::vector<TaskId> tasks, uint64_t begin,
                    uint64_t end, std::string message) {
    tables_.early_reads.push_back(
        {touch.task, touch.buffer, static_cast<uint32_t>(context_.findings.size()), segment.early_read});
    segment.early_read = static_cast<uint32_t>(tables_.early_reads.size() - 1);
    context_.report(rule, std::move(tasks), BufferId(touch.buffer), begin, end, std::move(message));
  }

  /// A reader of the record that a task with clock `now` may overtake.
  [[nodiscard]] uint32_t unfinished_reader(uint32_t record, const uint32_t* now) const {
    const uint32_t* readers = &tables_.reader_clock[record * sms_];
    for (uint32_t sm = 0; sm < sms_; ++sm) {
      if (readers[sm] > now[sm]) return program_.placement.queues[sm][readers[sm] - 1].index();
    }
    return tables_.records[record].last_reader;
  }

  void report_pair(const Touch& touch, uint32_t other, uint64_t begin, uint64_t end, bool both_write) {
    const BufferId buffer(touch.buffer);
    const bool other_writes = both_write || !touch.is_write;
    const uint32_t named = buffer_of(other, other_writes, begin + tables_.base[touch.buffer]);
    const std::string &name = program_.buffers[touch.buffer].name, &other_name = program_.buffers[named].name;
    if (other == touch.task) {
      Finding& finding = context_.report(
          Rule::kSelfOverlap, {TaskId(touch.task)}, buffer, begin, end,
          fmt::format(
              "expected a task's writes apart from its own reads and other writes, found '{}' written over '{}', "
              "which the task {} too",
              name, other_name, other_writes ? "writes" : "reads"));
      if (named != touch.buffer) finding.mend = fmt::format("give '{}' and '{}' different pages", name, other_name);
      return;
    }
    Finding& finding = context_.report(both_write ? Rule::kWriteWrite : Rule::kReadWrite,
                                       {TaskId(touch.task), TaskId(other)}, buffer, begin, end, "");
    describe_race(finding, {touch.task, touch.is_write, touch.buffer}, {other, other_writes, named});
  }

  /// The buffer by which a task reads or writes at an address.
  [[nodiscard]] uint32_t buffer_of(uint32_t task, bool is_write, uint64_t address) const {
    for (uint32_t i = tables_.first_touch[task]; i < tables_.first_touch[task + 1]; ++i) {
      const Touch& touch = tables_.touches[i];
      if (touch.is_write == is_write && touch.begin <= address && address < touch.end) return touch.buffer;
    }
    return tables_.touches[tables_.first_touch[task]].buffer;
  }

  /// One side of a race.
  struct Side {
    uint32_t task = 0;
    bool is_write = false;
    uint32_t buffer = 0;
  };

  /// Says who does what to the bytes, that nothing orders it, and which wait would. A reader of what the other writes
  /// should wait; otherwise `first`, which the walk came to later, so that no cycle can follow from it.
  void describe_race(Finding& finding, const Side& first, const Side& second) const {
    const auto does = [&](const Side& side) {
      return fmt::format("task {} on SM {} {} '{}'", side.task, work_.sm_of[side.task],
                         side.is_write ? "writes" : "reads", program_.buffers[side.buffer].name);
    };
    finding.message =
        fmt::format("expected one ordered before the other, found no counter edge and no queue order: {}, {}",
                    does(first), does(second));
    const bool second_waits = first.buffer == second.buffer && first.is_write && !second.is_write;
    const uint32_t waiter = second_waits ? second.task : first.task,
                   done_first = second_waits ? first.task : second.task;
    const uint32_t counter = program_.tasks[done_first].signal.index();
    finding.mend =
        fmt::format("let task {} wait for counter {} to reach {}, which task {} increments, or put both in one queue",
                    waiter, counter, work_.producers[counter], done_first);
    if (first.buffer != second.buffer) finding.mend += ", or give the two buffers different pages";
  }

  // ---- the end of the pass ----

  [[nodiscard]] bool must_be_written(uint32_t buffer) const {
    const abi::BufferKind kind = program_.buffers[buffer].kind;
    return tables_.base[buffer] != kNoAddress &&
           (kind == abi::BufferKind::kOutput || kind == abi::BufferKind::kKvCache);
  }

  void check_outputs() {
    for (uint32_t i = 0; i < tables_.base.size(); ++i) {
      if (!must_be_written(i)) continue;
      const uint64_t end = tables_.base[i] + work_.buffer_size[i];
      for (uint32_t s = segment_at(tables_.base[i]); s < tables_.segments.size() && tables_.segments[s].begin < end;
           ++s) {
        if (tables_.segments[s].writer != kNone) continue;
        const uint64_t gap_end = s + 1 < tables_.segments.size() ? std::min(tables_.segments[s + 1].begin, end) : end;
        context_.report(Rule::kOutput, {}, BufferId(i), tables_.segments[s].begin - tables_.base[i],
                        gap_end - tables_.base[i],
                        "expected every byte written by the end of the pass, found these never written");
        break;
      }
    }
  }

  Context& context_;
  const Program& program_;
  Workspace& work_;
  const size_t sms_;
  HazardTables& tables_;
  uint64_t steps_ = 0;  ///< of the walk, to know when to give up
};

}  // namespace

void check_hazards(Context& context) {
  if (!HazardCheck(context).run()) context.work.incomplete = true;
}

}  // namespace amk::validator
