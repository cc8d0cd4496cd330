// One program, any order its counters allow, the same bits; two programs of one model, the same logits to rounding.
#include <doctest/doctest.h>

#include <cstring>

#include "differential/fixture.h"
#include "eval/logits.h"
#include "eval/tolerance.h"

using namespace amk;

namespace {

constexpr uint64_t kOrders = 100;

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("a hundred adversarial orders of every grouping give the bits of the placed order, and the oracle's logits") {
  for (const char* name : {"toy-2l", "tests/models/llama-odd-sizes"}) {
    const test::LoweredModel model = test::open_model(name);
    const std::vector<uint32_t> ids = test::some_tokens(model.graph.config, 4);
    const std::vector<float> expected = test::oracle_logits(model.checkpoint, ids);
    const double tolerance = eval::logit_tolerance(model.graph.config, eval::largest_magnitude(expected));
    std::vector<std::vector<float>> of_grouping;
    for (const test::NamedConfig& grouping : test::groupings()) {
      vm::ReferenceVm machine = test::bind(test::accepted(model, "h100", grouping.config, 64), model.checkpoint);
      const std::vector<float> placed = test::logits_of(machine, ids);
      CAPTURE(name);
      CAPTURE(grouping.name);
      CHECK(eval::largest_difference(placed, expected) <= tolerance);
      for (uint64_t seed = 0; seed < kOrders; ++seed) {
        CAPTURE(seed);
        machine.set_order({vm::Order::Kind::kAdversarial, seed});
        CHECK(same_bits(test::logits_of(machine, ids), placed));
      }
      of_grouping.push_back(placed);
    }
    for (const std::vector<float>& logits : of_grouping)
      CHECK(eval::largest_difference(logits, of_grouping.front()) <= tolerance);
  }
}

TEST_CASE("many splits, tiny tiles and shared pages give one result in a hundred orders on a small GPU") {
  const test::LoweredModel model = test::open_model("toy-2l");
  schedule::ScheduleConfig config;
  config.gemv_n_tile = 8;
  config.gemv_k_chunk = 64;
  config.attention_kv_block = 16;
  config.attention_splits = 3;
  const std::vector<uint32_t> ids = test::some_tokens(model.graph.config, 20);
  const std::vector<float> expected = test::oracle_logits(model.checkpoint, ids);
  const double tolerance = eval::logit_tolerance(model.graph.config, eval::largest_magnitude(expected));
  vm::ReferenceVm machine = test::bind(test::accepted(model, "t4", config, 64), model.checkpoint);
  const std::vector<float> placed = test::logits_of(machine, ids);
  CHECK(eval::largest_difference(placed, expected) <= tolerance);
  for (uint64_t seed = 0; seed < kOrders; ++seed) {
    CAPTURE(seed);
    machine.set_order({vm::Order::Kind::kAdversarial, seed});
    CHECK(same_bits(test::logits_of(machine, ids), placed));
  }
}
