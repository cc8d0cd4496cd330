#include "search/svr.h"

#include <doctest/doctest.h>

#include "base/random.h"

using namespace amk;
using namespace amk::search;

namespace {

/// Column 2 is 0 for most rows, and counts for nothing.
std::vector<SparseRow> rows_of(uint64_t seed, size_t count) {
  Random random(seed);
  std::vector<SparseRow> out;
  for (size_t i = 0; i < count; ++i) {
    out.push_back({{0, random.uniform()}, {5, random.uniform()}});
    if (i % 10 == 0) out.back() = {{0, random.uniform()}, {2, 1.0}, {5, random.uniform()}};
  }
  return out;
}

double truth(const SparseRow& row) { return 0.7 + 0.3 * row.front().second - 0.2 * row.back().second; }

}  // namespace

TEST_CASE("what each column adds is learned, outliers or none, and the same again") {
  const std::vector<SparseRow> rows = rows_of(1, 200);
  std::vector<double> values;
  for (const SparseRow& row : rows) values.push_back(truth(row) + (values.size() % 20 == 7 ? 5 : 0));
  const Svr svr = Svr::train(rows, values, {10, 0.001});
  const Svr again = Svr::train(rows, values, {10, 0.001});
  for (const SparseRow& row : rows_of(2, 50)) {
    CHECK(svr.predict(row) == doctest::Approx(truth(row)).epsilon(0.02));
    CHECK(svr.predict(row) == again.predict(row));
  }
  CHECK(svr.predict({{0, 0.5}, {5, 0.5}, {9, 1e6}}) == svr.predict({{0, 0.5}, {5, 0.5}}));  // 9 was in no row
}
