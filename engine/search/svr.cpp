#include "search/svr.h"

#include <libsvm/svm.h>

#include <algorithm>
#include <cmath>

#include "base/assert.h"

namespace amk::search {
namespace {

constexpr double kDeviationsMax = 4;
constexpr double kConstant = 1e-9;
constexpr double kCacheMegabytes = 32;
constexpr double kStoppingTolerance = 1e-3;

using Nodes = std::vector<svm_node>;

/// Where a column lies, and how it is scaled.
struct Column {
  double mean = 0;
  double deviation = 1;
  double weight = 0;  ///< 0: left out
};

std::vector<Column> columns_of(const std::vector<std::vector<double>>& rows, std::span<const double> weights) {
  std::vector<Column> out(rows.front().size());
  const auto count = static_cast<double>(rows.size());
  for (size_t c = 0; c < out.size(); ++c) {
    double sum = 0;
    for (const std::vector<double>& row : rows) sum += row[c];
    out[c].mean = sum / count;
    double squares = 0;
    for (const std::vector<double>& row : rows) squares += (row[c] - out[c].mean) * (row[c] - out[c].mean);
    const double deviation = std::sqrt(squares / count);
    if (deviation <= kConstant * std::max(1.0, std::abs(out[c].mean))) continue;
    out[c].deviation = deviation;
    out[c].weight = weights.empty() ? 1 : weights[c];
  }
  return out;
}

}  // namespace

struct Svr::Impl {
  std::vector<Column> columns;
  std::vector<Nodes> rows;  ///< the model's vectors point into these
  svm_model* model = nullptr;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { svm_free_and_destroy_model(&model); }

  /// Sparse, as libsvm takes it: columns counted from 1, ended by -1.
  [[nodiscard]] Nodes nodes_of(std::span<const double> row) const {
    Nodes out;
    for (size_t c = 0; c < columns.size(); ++c) {
      const Column& of = columns[c];
      if (of.weight == 0) continue;
      const double value = of.weight * std::clamp((row[c] - of.mean) / of.deviation, -kDeviationsMax, kDeviationsMax);
      if (value != 0) out.push_back({static_cast<int>(c + 1), value});
    }
    out.push_back({-1, 0});
    return out;
  }
};

Svr::Svr(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Svr::Svr(Svr&&) noexcept = default;
Svr& Svr::operator=(Svr&&) noexcept = default;
Svr::~Svr() = default;

Svr Svr::train(const std::vector<std::vector<double>>& rows, const std::vector<double>& values,
               const SvrOptions& options) {
  AMK_ASSERT(rows.size() >= 2 && rows.size() == values.size(), "a value for each of at least two rows");
  auto impl = std::make_unique<Impl>();
  impl->columns = columns_of(rows, options.weights);
  const auto active = std::ranges::count_if(impl->columns, [](const Column& column) { return column.weight != 0; });
  std::vector<svm_node*> pointers;
  for (const std::vector<double>& row : rows) impl->rows.push_back(impl->nodes_of(row));
  for (Nodes& nodes : impl->rows) pointers.push_back(nodes.data());
  std::vector<double> targets = values;
  const svm_problem problem{static_cast<int>(rows.size()), targets.data(), pointers.data()};
  svm_parameter parameter{};
  parameter.svm_type = EPSILON_SVR;
  parameter.kernel_type = RBF;
  parameter.gamma = options.gamma / static_cast<double>(std::max<std::ptrdiff_t>(active, 1));
  parameter.cache_size = kCacheMegabytes;
  parameter.eps = kStoppingTolerance;
  parameter.C = options.cost;
  parameter.p = options.tolerance;
  parameter.shrinking = 1;
  svm_set_print_string_function([](const char*) {});
  AMK_ASSERT(svm_check_parameter(&problem, &parameter) == nullptr, "parameters that libsvm takes");
  impl->model = svm_train(&problem, &parameter);
  return Svr(std::move(impl));
}

double Svr::predict(std::span<const double> row) const {
  const Nodes nodes = impl_->nodes_of(row);
  return svm_predict(impl_->model, nodes.data());
}

}  // namespace amk::search
