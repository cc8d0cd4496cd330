// Epsilon support vector regression with a Gaussian kernel: libsvm, and the scaling of what it is given.
//
// Owns the model and the rows that it points into. Deterministic: the same rows in the same order give the same model.
// Source: Chang and Lin, LIBSVM: a library for support vector machines, section 2.4.
#pragma once

#include <memory>
#include <span>
#include <vector>

namespace amk::search {

struct SvrOptions {
  double cost = 1;   ///< of a row that is off by more than `tolerance`
  double gamma = 1;  ///< of the kernel exp(-gamma x squared distance / active columns), columns scaled
  double tolerance = 0.01;
  std::span<const double> weights;  ///< of each column's scaled values; empty: 1
};

class Svr {
 public:
  /// `rows` are of one length and at least 2, `values` as many. Columns are brought to mean 0 and deviation 1 over
  /// these rows, those that are constant are left out; values further out than 4 deviations are taken as 4.
  static Svr train(const std::vector<std::vector<double>>& rows, const std::vector<double>& values,
                   const SvrOptions& options);

  Svr(Svr&&) noexcept;
  Svr& operator=(Svr&&) noexcept;
  ~Svr();

  [[nodiscard]] double predict(std::span<const double> row) const;

 private:
  struct Impl;
  explicit Svr(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::search
