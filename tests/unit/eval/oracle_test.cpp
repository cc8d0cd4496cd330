#include "eval/oracle.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "eval/perplexity.h"
#include "support/expected.h"

using namespace amk;
using eval::Oracle;
using model::Checkpoint;
using model::RopePrecision;

namespace {

/// Two float32 evaluations in different orders part by less; a wrong model parts by far more.
constexpr double kLogitTolerance = 2e-4;

/// Best logits closer than this may change places when sums are taken in another order.
constexpr double kNearTie = 1e-4;

const std::string kShipped = "models/shakespeare-llama-3m";

ThreadPool& pool() {
  static ThreadPool threads;
  return threads;
}

Checkpoint open(const std::string& model, RopePrecision precision = RopePrecision::kFloat32) {
  auto checkpoint = Checkpoint::open(model, {.rope_frequencies = precision});
  REQUIRE_MESSAGE(checkpoint.ok(), (checkpoint.ok() ? "" : checkpoint.error().text()));
  return std::move(checkpoint).value();
}

Oracle make_oracle(const Checkpoint& checkpoint, ThreadPool& threads = pool()) {
  auto oracle = Oracle::create(checkpoint, checkpoint.config().context_max, threads);
  REQUIRE(oracle.ok());
  return std::move(oracle).value();
}

/// The largest distance between two rows of logits; infinity where a logit is a NaN.
double largest_error(std::span<const float> logits, std::span<const float> expected) {
  double worst = 0.0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double error = std::abs(static_cast<double>(logits[i]) - expected[i]);
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

/// The lowest of the best.
uint32_t best_token(const std::vector<float>& logits) {
  return static_cast<uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Compares greedy tokens with `expected` up to a near tie that fell the other way; returns how many were equal.
size_t compare_greedy(Oracle& oracle, const std::vector<uint32_t>& prompt, const std::vector<uint32_t>& expected) {
  std::vector<float> logits = oracle.forward_last(prompt).value();
  for (size_t i = 0; i < expected.size(); ++i) {
    const uint32_t best = best_token(logits);
    if (best != expected[i]) {
      CAPTURE(i);
      CHECK(logits[best] - logits[expected[i]] < kNearTie);
      return i;
    }
    if (i + 1 == expected.size()) break;
    logits = oracle.forward_last(std::vector{best}).value();
  }
  return expected.size();
}

/// Logits of `ids` fed in parts of `part` tokens.
std::vector<float> logits_by_parts(const Checkpoint& checkpoint, ThreadPool& threads, const std::vector<uint32_t>& ids,
                                   size_t part) {
  Oracle oracle = make_oracle(checkpoint, threads);
  std::vector<float> all;
  for (size_t start = 0; start < ids.size(); start += part) {
    const std::vector<float> some =
        oracle.forward(std::span(ids).subspan(start, std::min(part, ids.size() - start))).value();
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace

TEST_CASE("logits of every golden model are those of transformers at every position") {
  for (const std::string& name : test::exact_models()) {
    for (const RopePrecision precision : test::kRopePrecisions) {
      CAPTURE(name);
      const Checkpoint checkpoint = open("tests/models/" + name, precision);
      const test::Expected expected = test::read_expected("tests/models/" + name, precision);
      Oracle oracle = make_oracle(checkpoint);
      const std::vector<float> logits = oracle.forward(expected.input_ids).value();
      REQUIRE(logits.size() == expected.input_ids.size() * checkpoint.config().vocab_size);
      REQUIRE(logits.size() == expected.logits.size());
      const double worst = largest_error(logits, expected.logits);
      CHECK(worst <= kLogitTolerance);
      MESSAGE(name << ": largest error " << worst);
    }
  }
}

TEST_CASE("a cast model's rounded frequencies matter: its expected logits are not the uncast model's") {
  for (const char* folder : {"tests/models/llama-bf16-sharded", "tests/models/llama-f16"}) {
    CAPTURE(folder);
    const auto given = test::read_expected(folder, RopePrecision::kStored).logits;
    const auto uncast = test::read_expected(folder, RopePrecision::kFloat32).logits;
    CHECK(largest_error(given, uncast) > kLogitTolerance);
  }
}

TEST_CASE("greedy continuations of every golden model are those of transformers") {
  for (const std::string& name : test::exact_models()) {
    for (const RopePrecision precision : test::kRopePrecisions) {
      CAPTURE(name);
      const Checkpoint checkpoint = open("tests/models/" + name, precision);
      const test::Expected expected = test::read_expected("tests/models/" + name, precision);
      REQUIRE(expected.generated_ids.size() == 24);
      Oracle oracle = make_oracle(checkpoint);
      const size_t equal = compare_greedy(oracle, expected.input_ids, expected.generated_ids);
      if (equal < 24) CHECK(expected.top2_margin[equal] < kNearTie);
      MESSAGE(name << ": " << equal << " of 24 tokens compared");
    }
  }
}

TEST_CASE("the shipped model continues its prompts as transformers does") {
  for (const RopePrecision precision : test::kRopePrecisions) {
    const Checkpoint checkpoint = open(kShipped, precision);
    Oracle oracle = make_oracle(checkpoint);
    for (const test::ShippedCase& one : test::read_shipped_expected(kShipped, precision).cases) {
      CAPTURE(one.prompt);
      oracle.reset();
      const size_t equal = compare_greedy(oracle, one.prompt_ids, one.generated_ids);
      if (one.min_top2_margin >= kNearTie) CHECK(equal == one.generated_ids.size());
      CHECK(equal > 0);
      MESSAGE(one.prompt_ids.size() << " prompt tokens: " << equal << " of " << one.generated_ids.size()
                                    << " compared");
    }
  }
}

TEST_CASE("the shipped model's perplexity is that of transformers") {
  for (const RopePrecision precision : test::kRopePrecisions) {
    const Checkpoint checkpoint = open(kShipped, precision);
    const test::ShippedExpected expected = test::read_shipped_expected(kShipped, precision);
    Oracle oracle = make_oracle(checkpoint);
    const std::vector<float> logits = oracle.forward(expected.perplexity_ids).value();
    const double perplexity = eval::perplexity(logits, expected.perplexity_ids);
    CHECK(std::abs(perplexity / expected.perplexity - 1.0) < 1e-5);
    MESSAGE("perplexity " << perplexity << ", expected " << expected.perplexity);
  }
}

TEST_CASE("the same tokens give the same bits, one by one or at once, on one thread or three") {
  ThreadPool one(1);
  ThreadPool three(3);
  for (const char* name : {"tests/models/llama-odd-sizes", "tests/models/llama-f16", "tests/models/llama3-rope",
                           "tests/models/llama-bf16-sharded", kShipped.c_str()}) {
    CAPTURE(name);
    const Checkpoint checkpoint = open(name);
    std::vector<uint32_t> ids;
    for (uint32_t i = 0; i < 100; ++i) ids.push_back(i * i * 7 % checkpoint.config().vocab_size);
    const std::vector<float> at_once = logits_by_parts(checkpoint, one, ids, ids.size());
    CHECK(at_once == logits_by_parts(checkpoint, one, ids, 1));
    CHECK(at_once == logits_by_parts(checkpoint, three, ids, ids.size()));
    CHECK(at_once == logits_by_parts(checkpoint, three, ids, 13));
    CHECK(std::none_of(at_once.begin(), at_once.end(), [](float logit) { return std::isnan(logit); }));
  }
}

TEST_CASE("forward_last gives the last row of forward, and fills the same positions") {
  const Checkpoint checkpoint = open("tests/models/llama-gqa-tied");
  const std::vector<uint32_t> ids =
      test::read_expected("tests/models/llama-gqa-tied", RopePrecision::kFloat32).input_ids;
  const size_t vocab = checkpoint.config().vocab_size;
  Oracle all = make_oracle(checkpoint);
  Oracle last = make_oracle(checkpoint);
  const std::vector<float> rows = all.forward(ids).value();
  CHECK(last.forward_last(ids).value() == std::vector<float>(rows.end() - static_cast<ptrdiff_t>(vocab), rows.end()));
  CHECK(last.position() == ids.size());
  CHECK(all.forward(ids).value() == last.forward(ids).value());
}

TEST_CASE("a reset oracle answers as a new one") {
  const Checkpoint checkpoint = open("tests/models/llama-mha");
  Oracle oracle = make_oracle(checkpoint);
  const std::vector<uint32_t> ids = {5, 6, 7, 8};
  const std::vector<float> first = oracle.forward(ids).value();
  CHECK(oracle.forward(ids).value() != first);
  oracle.reset();
  CHECK(oracle.position() == 0);
  CHECK(oracle.forward(ids).value() == first);
}

TEST_CASE("a refused call appends nothing") {
  const Checkpoint checkpoint = open("tests/models/llama-mha");
  const uint32_t vocab = checkpoint.config().vocab_size;
  Oracle oracle = Oracle::create(checkpoint, 6, pool()).value();
  Oracle undisturbed = Oracle::create(checkpoint, 6, pool()).value();
  const std::vector<uint32_t> prompt = {1, 2, 3};
  const std::vector<uint32_t> rest = {4, 5, 6};
  REQUIRE(oracle.forward(prompt).value() == undisturbed.forward(prompt).value());

  const auto refused = [&](std::vector<uint32_t> ids) {
    const auto all = oracle.forward(ids);
    const auto last = oracle.forward_last(ids);
    CHECK(oracle.position() == 3);
    REQUIRE_FALSE(all.ok());
    REQUIRE_FALSE(last.ok());
    CHECK(all.error().code == ErrorCode::kUsage);
    CHECK(last.error().code == ErrorCode::kUsage);
    return all.error().text();
  };
  CHECK(refused({4, 5, vocab}) == "token 2: expected a token id below the vocabulary's size 256, found 256");
  CHECK(refused({UINT32_MAX}).find("4294967295") != std::string::npos);
  CHECK(refused({4, 5, 6, 7}) ==
        "expected at most 3 more tokens in a context of 6, found 4 (ask for a longer context, or start over)");
  CHECK_FALSE(oracle.forward_last({}).ok());
  CHECK(oracle.forward({}).value().empty());

  CHECK(oracle.forward(rest).value() == undisturbed.forward(rest).value());
  CHECK_FALSE(oracle.forward(std::vector<uint32_t>{1}).ok());
}

TEST_CASE("a context is at least one position and at most the model's") {
  const Checkpoint checkpoint = open("tests/models/llama-mha");
  REQUIRE(checkpoint.config().context_max == 256);
  for (const uint32_t context : {0U, 257U, UINT32_MAX}) {
    const auto oracle = Oracle::create(checkpoint, context, pool());
    REQUIRE_FALSE(oracle.ok());
    CHECK(oracle.error().code == ErrorCode::kUsage);
    CHECK(oracle.error().message.find("1 to 256") != std::string::npos);
  }
  const std::vector<uint32_t> full(256, 7);
  Oracle oracle = Oracle::create(checkpoint, 256, pool()).value();
  CHECK(oracle.forward_last(full).ok());
  CHECK(oracle.position() == 256);
}
