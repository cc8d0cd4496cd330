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

constexpr uint32_t kNone = UINT32_MAX;
constexpr uint64_t kNoAddress = UINT64_MAX;

/// One access to writable memory, on the address line.
struct Touch {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t task = 0;
  uint32_t range = 0;   ///< index among the task's ranges
  uint32_t record = 0;  ///< of a read
  bool is_write = false;
};

/// Bytes that no access cuts: they share their history.
struct Segment {
  uint64_t begin = 0;
  uint32_t writer = kNone;  ///< the last task that wrote it
  uint32_t buffer = kNone;  ///< through which buffer
};

/// All reads of one range.
struct ReadRecord {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t first_segment = 0;
  uint32_t end_segment = 0;
  uint32_t generation = 0;  ///< counts its readers
  uint32_t last_reader = kNone;
  bool writers_known = false;  ///< the join below is up to date
  bool whole = false;          ///< every segment has been written, all through one buffer
  uint32_t buffer = kNone;     ///< that buffer
};

/// That a record's readers were compared with a write to a segment.
struct Cover {
  uint32_t record = 0;
  uint32_t checked_generation = 0;
};

class HazardCheck {
 public:
  explicit HazardCheck(Context& context)
      : context_(context),
        program_(context.program),
        work_(context.work),
        sms_(context.program.placement.queues.size()) {}

  void run() {
    lay_out();
    collect_touches();
    cut_segments();
    make_records();
    walk();
    check_outputs();
  }

 private:
  // ---- the address line ----

  void lay_out() {
    base_.assign(program_.buffers.size(), kNoAddress);
    uint64_t next = program_.scratch_bytes;
    for (uint32_t i = 0; i < program_.buffers.size(); ++i) {
      if (work_.buffer_sound[i] == 0) continue;
      const abi::BufferKind kind = program_.buffers[i].kind;
      if (kind == abi::BufferKind::kActivation) {
        base_[i] = work_.page_offset[i];
      } else if (kind == abi::BufferKind::kOutput || kind == abi::BufferKind::kKvCache) {
        base_[i] = next;
        next += work_.buffer_size[i];  // at most kBuffersMax x kBufferBytesMax: below 2^62
      }
    }
  }

  void collect_touches() {
    first_touch_.assign(program_.tasks.size() + 1, 0);
    for (uint32_t id = 0; id < program_.tasks.size(); ++id) {
      first_touch_[id] = static_cast<uint32_t>(touches_.size());
      if (work_.task_sound[id] == 0) continue;
      const Task& task = program_.tasks[id];
      for (uint32_t i = 0; i < task.ranges.size(); ++i) {
        const abi::Range& range = task.ranges[i];
        const uint64_t base = base_[task.operands[range.operand].index()];
        if (base == kNoAddress || range.span == abi::Span::kPast) continue;
        const bool is_write = abi::operand(task.opcode, range.operand).access == abi::Access::kWrite;
        touches_.push_back({base + range.begin, base + range.end, id, i, kNone, is_write});
      }
    }
    first_touch_.back() = static_cast<uint32_t>(touches_.size());
  }

  void cut_segments() {
    std::vector<uint64_t> cuts;
    cuts.reserve(2 * touches_.size() + 8);
    for (const Touch& touch : touches_) {
      cuts.push_back(touch.begin);
      cuts.push_back(touch.end);
    }
    for (uint32_t i = 0; i < base_.size(); ++i) {
      if (!must_be_written(i)) continue;
      cuts.push_back(base_[i]);
      cuts.push_back(base_[i] + work_.buffer_size[i]);
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    segments_.reserve(cuts.size());
    for (const uint64_t cut : cuts) segments_.push_back({cut, kNone, kNone});
  }

  [[nodiscard]] uint32_t segment_at(uint64_t address) const {
    const auto at = std::lower_bound(segments_.begin(), segments_.end(), address,
                                     [](const Segment& segment, uint64_t wanted) { return segment.begin < wanted; });
    return static_cast<uint32_t>(at - segments_.begin());
  }

  void make_records() {
    std::vector<uint32_t> reads;
    for (uint32_t i = 0; i < touches_.size(); ++i) {
      if (!touches_[i].is_write) reads.push_back(i);
    }
    const auto key = [&](uint32_t i) { return std::tuple(touches_[i].begin, touches_[i].end); };
    std::sort(reads.begin(), reads.end(), [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
    covers_.assign(segments_.size(), {});
    for (const uint32_t read : reads) {
      Touch& touch = touches_[read];
      if (records_.empty() || std::tuple(records_.back().begin, records_.back().end) != key(read)) {
        ReadRecord record{touch.begin, touch.end, segment_at(touch.begin), segment_at(touch.end)};
        for (uint32_t s = record.first_segment; s < record.end_segment; ++s) {
          covers_[s].push_back({static_cast<uint32_t>(records_.size()), 0});
        }
        records_.push_back(record);
      }
      touch.record = static_cast<uint32_t>(records_.size() - 1);
    }
    reader_clock_.assign(records_.size() * sms_, 0);
    writer_clock_.assign(records_.size() * sms_, 0);
  }

  // ---- the walk ----

  void walk() {
    now_.assign(sms_ * sms_, 0);
    counter_clock_.assign(program_.counters.size(), {});
    std::vector<uint32_t> left = work_.waiters;
    for (const uint32_t id : work_.order) {
      const Task& task = program_.tasks[id];
      uint32_t* now = &now_[work_.sm_of[id] * sms_];
      for (const schedule::Wait& wait : task.waits) {
        std::vector<uint32_t>& clock = counter_clock_[wait.counter.index()];
        raise(now, clock.data());
        if (--left[wait.counter.index()] == 0) spare_.push_back(std::move(clock));
      }
      for (uint32_t i = first_touch_[id]; i < first_touch_[id + 1]; ++i) {
        if (!touches_[i].is_write) read(touches_[i], now);
      }
      for (uint32_t i = first_touch_[id]; i < first_touch_[id + 1]; ++i) {
        if (touches_[i].is_write) write(touches_[i], now);
      }
      now[work_.sm_of[id]] = done_at(id);
      if (work_.waiters[task.signal.index()] != 0) signal(task.signal, now);
    }
  }

  void signal(CounterId counter, const uint32_t* now) {
    std::vector<uint32_t>& clock = counter_clock_[counter.index()];
    if (clock.empty()) {
      if (!spare_.empty()) {
        clock = std::move(spare_.back());
        spare_.pop_back();
      }
      clock.assign(sms_, 0);
    }
    raise(clock.data(), now);
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
    ReadRecord& record = records_[touch.record];
    uint32_t* writers = &writer_clock_[touch.record * sms_];
    if (!record.writers_known) join_writers(record, writers);
    const bool sound = record.whole && record.buffer == buffer_of(touch) && passed(now, writers);
    if (!sound) explain_read(touch, record, now);
    const uint32_t sm = work_.sm_of[touch.task];
    uint32_t& reader = reader_clock_[touch.record * sms_ + sm];
    reader = std::max(reader, done_at(touch.task));
    record.last_reader = touch.task;
    ++record.generation;
  }

  void join_writers(ReadRecord& record, uint32_t* writers) {
    std::fill(writers, writers + sms_, 0U);
    record.whole = true;
    record.buffer = segments_[record.first_segment].buffer;
    for (uint32_t s = record.first_segment; s < record.end_segment; ++s) {
      const Segment& segment = segments_[s];
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
    for (uint32_t s = segment_at(touch.begin); s < segments_.size() && segments_[s].begin < touch.end; ++s) {
      Segment& segment = segments_[s];
      if (conflict == kNone && segment.writer != kNone && !done(segment.writer, now)) {
        conflict = segment.writer;
        report_pair(touch, conflict, segment_begin(touch, s), segment_end(touch, s), true);
      }
      for (Cover& cover : covers_[s]) {
        ReadRecord& record = records_[cover.record];
        record.writers_known = false;
        if (cover.checked_generation == record.generation) continue;
        cover.checked_generation = record.generation;
        if (conflict != kNone || passed(now, &reader_clock_[cover.record * sms_])) continue;
        conflict = unfinished_reader(cover.record, now);
        report_pair(touch, conflict, segment_begin(touch, s), segment_end(touch, s), false);
      }
      segment.writer = touch.task;
      segment.buffer = buffer_of(touch);
    }
  }

  // ---- findings ----

  [[nodiscard]] uint32_t buffer_of(const Touch& touch) const {
    const Task& task = program_.tasks[touch.task];
    return task.operands[task.ranges[touch.range].operand].index();
  }
  /// Part of segment `s` that the touch covers, in bytes of its buffer.
  [[nodiscard]] uint64_t segment_begin(const Touch& touch, uint32_t s) const {
    return std::max(segments_[s].begin, touch.begin) - base_[buffer_of(touch)];
  }
  [[nodiscard]] uint64_t segment_end(const Touch& touch, uint32_t s) const {
    const uint64_t end = s + 1 < segments_.size() ? std::min(segments_[s + 1].begin, touch.end) : touch.end;
    return end - base_[buffer_of(touch)];
  }

  /// Names the first segment of a read that was not written, was written through another buffer, or by a task that
  /// may not be done.
  void explain_read(const Touch& touch, const ReadRecord& record, const uint32_t* now) {
    const uint32_t buffer = buffer_of(touch);
    for (uint32_t s = record.first_segment; s < record.end_segment; ++s) {
      const Segment& segment = segments_[s];
      const uint64_t begin = segment_begin(touch, s);
      const uint64_t end = segment_end(touch, s);
      if (segment.writer == kNone) {
        context_.report(
            Rule::kUnwritten, {TaskId(touch.task)}, BufferId(buffer), begin, end,
            "expected an earlier task of this pass to write these bytes, found none that is ordered before");
        return;
      }
      if (!done(segment.writer, now)) {
        report_pair(touch, segment.writer, begin, end, false);
        return;
      }
      if (segment.buffer != buffer) {
        context_.report(Rule::kStale, {TaskId(touch.task), TaskId(segment.writer)}, BufferId(buffer), begin, end,
                        fmt::format("expected bytes last written as '{}', found them overwritten as '{}'",
                                    program_.buffers[buffer].name, program_.buffers[segment.buffer].name));
        return;
      }
    }
  }

  /// A reader of the record that a task with clock `now` may overtake.
  [[nodiscard]] uint32_t unfinished_reader(uint32_t record, const uint32_t* now) const {
    const uint32_t* readers = &reader_clock_[record * sms_];
    for (uint32_t sm = 0; sm < sms_; ++sm) {
      if (readers[sm] > now[sm]) return program_.placement.queues[sm][readers[sm] - 1].index();
    }
    return records_[record].last_reader;
  }

  void report_pair(const Touch& touch, uint32_t other, uint64_t begin, uint64_t end, bool both_write) {
    const BufferId buffer(buffer_of(touch));
    if (other == touch.task) {
      context_.report(
          Rule::kSelfOverlap, {TaskId(touch.task)}, buffer, begin, end,
          "expected a task's writes apart from its own reads and other writes, found them on the same bytes");
      return;
    }
    context_.report(
        both_write ? Rule::kWriteWrite : Rule::kReadWrite, {TaskId(touch.task), TaskId(other)}, buffer, begin, end,
        fmt::format("expected one of the two tasks ordered before the other, found no counter edge and no queue "
                    "order between SM {} and SM {}",
                    work_.sm_of[touch.task], work_.sm_of[other]));
  }

  // ---- the end of the pass ----

  [[nodiscard]] bool must_be_written(uint32_t buffer) const {
    const abi::BufferKind kind = program_.buffers[buffer].kind;
    return base_[buffer] != kNoAddress && (kind == abi::BufferKind::kOutput || kind == abi::BufferKind::kKvCache);
  }

  void check_outputs() {
    for (uint32_t i = 0; i < base_.size(); ++i) {
      if (!must_be_written(i)) continue;
      const uint64_t end = base_[i] + work_.buffer_size[i];
      for (uint32_t s = segment_at(base_[i]); s < segments_.size() && segments_[s].begin < end; ++s) {
        if (segments_[s].writer != kNone) continue;
        const uint64_t gap_end = s + 1 < segments_.size() ? std::min(segments_[s + 1].begin, end) : end;
        context_.report(Rule::kOutput, {}, BufferId(i), segments_[s].begin - base_[i], gap_end - base_[i],
                        "expected every byte written by the end of the pass, found these never written");
        break;
      }
    }
  }

  Context& context_;
  const Program& program_;
  Workspace& work_;
  const size_t sms_;
  std::vector<uint64_t> base_;         ///< by buffer: its place on the address line
  std::vector<Touch> touches_;         ///< by task, then by range
  std::vector<uint32_t> first_touch_;  ///< by task, and one past the end
  std::vector<Segment> segments_;      ///< ascending
  std::vector<ReadRecord> records_;
  std::vector<std::vector<Cover>> covers_;  ///< by segment
  std::vector<uint32_t> reader_clock_;      ///< [record][sm]
  std::vector<uint32_t> writer_clock_;      ///< [record][sm]
  std::vector<uint32_t> now_;               ///< [sm][sm]
  std::vector<std::vector<uint32_t>> counter_clock_;
  std::vector<std::vector<uint32_t>> spare_;  ///< clocks of counters nobody waits for any more
};

}  // namespace

void check_hazards(Context& context) { HazardCheck(context).run(); }

}  // namespace amk::validator
