// The tables of hazards.cpp, kept from program to program.
#pragma once

#include <cstdint>
#include <vector>

namespace amk::validator {

inline constexpr uint32_t kNone = UINT32_MAX;

/// One access to writable memory, on the address line.
struct Touch {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t task = 0;
  uint32_t buffer = 0;  ///< through which it is named
  uint32_t record = 0;  ///< of a read
  bool is_write = false;
};

/// Bytes that no access cuts: they share their history.
struct Segment {
  uint64_t begin = 0;
  uint32_t writer = kNone;  ///< the last task that wrote it
  uint32_t buffer = kNone;  ///< through which buffer
  uint32_t first_cover = 0;
  uint32_t early_read = kNone;  ///< last of the reads that came too early
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

/// A read of a segment that nothing had written yet, or that last held another buffer: a list for each segment.
struct EarlyRead {
  uint32_t task = 0;
  uint32_t buffer = 0;
  uint32_t finding = 0;  ///< index of what was reported; kNone when it has turned out to be a race
  uint32_t next = kNone;
};

/// That a record's readers were compared with a write to a segment.
struct Cover {
  uint32_t record = 0;
  uint32_t checked_generation = 0;
};

struct HazardTables {
  std::vector<uint8_t> doubtful;      ///< by buffer: a task that was refused names it
  std::vector<uint64_t> base;         ///< by buffer: its place on the address line
  std::vector<Touch> touches;         ///< by task, then by range
  std::vector<uint32_t> first_touch;  ///< by task, and one past the end
  std::vector<uint32_t> reads;        ///< touches that read, by range
  std::vector<uint64_t> cuts;
  std::vector<Segment> segments;  ///< ascending; the last one only ends the line
  std::vector<ReadRecord> records;
  std::vector<Cover> covers;           ///< by segment
  std::vector<uint32_t> reader_clock;  ///< [record][sm]
  std::vector<uint32_t> writer_clock;  ///< [record][sm]
  std::vector<uint32_t> now;           ///< [sm][sm]
  std::vector<uint32_t> waiters_left;  ///< by counter
  std::vector<uint32_t> slot_of;       ///< by counter: its clock; kNone before the first signal and after the last wait
  std::vector<uint32_t> slot_clock;    ///< [slot][sm]
  std::vector<uint32_t> free_slots;
  std::vector<EarlyRead> early_reads;
};

}  // namespace amk::validator
