// A history out of nothing: keys and values of earlier positions, drawn from a seed.
//
// What a pass does at a late position can so be compared without running every position before it: the same values go
// into the caches of the oracle and of the VM. A value depends on its arguments alone, on every machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "abi/dtype.h"
#include "schedule/program.h"

namespace amk::eval {

/// A key's or value's element; `element` is its index in [position, kv_head, head_dim].
using HistoryDraw = std::function<float(uint32_t layer, bool value, uint64_t element)>;

/// Uniform in [-1, 1), rounded to `kv_dtype` (f32, f16 or bf16) as a cache holds it.
[[nodiscard]] float history_value(uint64_t seed, abi::Dtype kv_dtype, uint32_t layer, bool value, uint64_t element);

/// history_value() of a seed and a dtype.
[[nodiscard]] HistoryDraw history_of(uint64_t seed, abi::Dtype kv_dtype);

/// A multiple of 1/64 in [-1, 1], which f32, f16 and bf16 all hold: for caches of different types that are to hold the
/// same.
[[nodiscard]] float coarse_history_value(uint64_t seed, uint32_t layer, bool value, uint64_t element);
[[nodiscard]] HistoryDraw coarse_history_of(uint64_t seed);

/// Values that a position has in all caches of a program.
[[nodiscard]] uint64_t history_row(const schedule::Program& program);
/// What drawing `position` positions of `row` values, and uploading them, may take.
[[nodiscard]] std::chrono::milliseconds history_patience(uint64_t row, uint32_t position);

}  // namespace amk::eval
