// Linear epsilon support vector regression: libsvm.
//
// Owns the model and the rows that it points into. Deterministic: the same rows in the same order give the same model.
// Columns are taken as they are: who wants them scaled or centred does that before.
// Source: Chang and Lin, LIBSVM: a library for support vector machines, section 2.4.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace amk::search {

struct SvrOptions {
  double cost = 1;           ///< of a row that is off by 1 more than `tolerance`, against half the squared weights
  double tolerance = 0.002;  ///< by which a prediction may be off for nothing
};

/// Columns and their values; columns that are not named are 0.
using SparseRow = std::vector<std::pair<uint32_t, double>>;

class Svr {
 public:
  /// At least 2 rows, each sorted by column, and as many values.
  static Svr train(const std::vector<SparseRow>& rows, const std::vector<double>& values, const SvrOptions& options);

  Svr(Svr&&) noexcept;
  Svr& operator=(Svr&&) noexcept;
  ~Svr();

  [[nodiscard]] double predict(const SparseRow& row) const;

 private:
  struct Impl;
  explicit Svr(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::search
