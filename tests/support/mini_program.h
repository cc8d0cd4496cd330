// Small programs made by hand: a few vectors, tasks that fill them (Embed) and tasks that add them (ResidualAdd).
//
// Every edge is written out, so a test reads as the drawing it is about. Without further ado a MiniProgram is accepted;
// each test then does one thing wrong.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "schedule/program.h"

namespace amk::test {

class MiniProgram {
 public:
  static constexpr uint32_t kSize = 64;  ///< elements of every vector

  /// With `sms` queues.
  explicit MiniProgram(uint32_t sms = 3);

  /// A float32 vector with a page of its own.
  BufferId vector(const std::string& name);

  /// y[begin, begin + count) = some embedding row. Placed at the end of queue `sm`.
  TaskId fill(uint32_t sm, BufferId y, uint32_t begin = 0, uint32_t count = kSize);
  /// y = x + residual on [begin, begin + count).
  TaskId add(uint32_t sm, BufferId x, BufferId residual, BufferId y, uint32_t begin = 0, uint32_t count = kSize);
  /// y[r] = table[r, :] . x for rows [begin, begin + count) of the table's 8.
  TaskId product(uint32_t sm, BufferId x, BufferId y, uint32_t begin = 0, uint32_t count = 8);
  /// `task` waits for each of `producers`; each has a counter of its own.
  void wait(TaskId task, std::initializer_list<TaskId> producers);

  /// Computes live ranges anew, from the tasks as they are.
  void refresh_pages();
  /// Lays `page` of one vector over that of another.
  void overlay(BufferId moved, BufferId onto);

  schedule::Program program;

 private:
  TaskId append(uint32_t sm, schedule::Task task);
  BufferId token_;
  BufferId table_;
};

}  // namespace amk::test
