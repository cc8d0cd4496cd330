#include "search/svr.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/random.h"

using namespace amk;
using namespace amk::search;

namespace {

double truth(const std::vector<double>& row) { return std::sin(3 * row[0]) + 0.5 * row[1] / 1000; }

std::vector<std::vector<double>> rows_of(uint64_t seed, size_t count) {
  Random random(seed);
  std::vector<std::vector<double>> out;
  for (size_t i = 0; i < count; ++i) out.push_back({random.uniform(), 1000 * random.uniform(), 7.0});
  return out;
}

}  // namespace

TEST_CASE("a smooth function is learned whatever the columns' sizes, and the same again") {
  const std::vector<std::vector<double>> rows = rows_of(1, 200);
  std::vector<double> values;
  for (const auto& row : rows) values.push_back(truth(row));
  const SvrOptions options{10, 1, 0.01, {}};
  const Svr svr = Svr::train(rows, values, options);
  const Svr again = Svr::train(rows, values, options);
  for (const auto& row : rows_of(2, 50)) {
    CHECK(svr.predict(row) == doctest::Approx(truth(row)).epsilon(0.1));
    CHECK(svr.predict(row) == again.predict(row));
  }
}

TEST_CASE("a column without weight is not looked at") {
  const std::vector<std::vector<double>> rows = rows_of(1, 60);
  std::vector<double> values;
  for (const auto& row : rows) values.push_back(truth(row));
  const std::vector<double> weights = {1, 0, 1};
  const Svr svr = Svr::train(rows, values, {10, 1, 0.01, weights});
  CHECK(svr.predict(std::vector{0.5, 0.0, 7.0}) == svr.predict(std::vector{0.5, 1000.0, 7.0}));
}
