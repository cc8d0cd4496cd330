#include "search/svr.h"

#include <libsvm/svm.h>

#include "base/assert.h"

namespace amk::search {
namespace {

constexpr double kCacheMegabytes = 32;
constexpr double kStoppingTolerance = 1e-4;

using Nodes = std::vector<svm_node>;

/// As libsvm takes a row: columns counted from 1, ended by -1.
Nodes nodes_of(const SparseRow& row) {
  Nodes out;
  for (const auto& [column, value] : row) {
    if (value != 0) out.push_back({static_cast<int>(column + 1), value});
  }
  out.push_back({-1, 0});
  return out;
}

}  // namespace

struct Svr::Impl {
  std::vector<Nodes> rows;  ///< the model's vectors point into these
  svm_model* model = nullptr;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { svm_free_and_destroy_model(&model); }
};

Svr::Svr(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Svr::Svr(Svr&&) noexcept = default;
Svr& Svr::operator=(Svr&&) noexcept = default;
Svr::~Svr() = default;

Svr Svr::train(const std::vector<SparseRow>& rows, const std::vector<double>& values, const SvrOptions& options) {
  AMK_ASSERT(rows.size() >= 2 && rows.size() == values.size(), "a value for each of at least two rows");
  auto impl = std::make_unique<Impl>();
  for (const SparseRow& row : rows) impl->rows.push_back(nodes_of(row));
  std::vector<svm_node*> pointers;
  for (Nodes& nodes : impl->rows) pointers.push_back(nodes.data());
  std::vector<double> targets = values;
  const svm_problem problem{static_cast<int>(rows.size()), targets.data(), pointers.data()};
  svm_parameter parameter{};
  parameter.svm_type = EPSILON_SVR;
  parameter.kernel_type = LINEAR;
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

double Svr::predict(const SparseRow& row) const {
  const Nodes nodes = nodes_of(row);
  return svm_predict(impl_->model, nodes.data());
}

}  // namespace amk::search
