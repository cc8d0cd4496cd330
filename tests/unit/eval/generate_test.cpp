#include "eval/generate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "eval/oracle.h"
#include "support/lowered.h"

using namespace amk;
using eval::GenerateRequest;
using eval::Generation;
using eval::StopReason;

namespace {

ThreadPool& pool() {
  static ThreadPool threads;
  return threads;
}

/// A model and its accepted program, with room for kContext positions.
struct Bench {
  static constexpr uint32_t kContext = 24;
  test::LoweredModel model = test::open_model("tests/models/llama-gqa-tied");
  validator::ValidatedProgram program = *validator::validate(test::lower(model, "h100", {}, kContext)).validated;

  [[nodiscard]] GenerateRequest request() const {
    GenerateRequest out;
    out.checkpoint = &model.checkpoint;
    out.program = &program;
    out.prompt = {5, 9, 2, 77};
    out.max_tokens = 10;
    return out;
  }
  static Generation run(const GenerateRequest& request) {
    auto generation = eval::generate(request, pool());
    REQUIRE_MESSAGE(generation.ok(), (generation.ok() ? "" : generation.error().text()));
    return std::move(generation).value();
  }
};

}  // namespace

TEST_CASE("greedy tokens are the oracle's, each handed out as it is chosen, and verifying changes none of them") {
  const Bench bench;
  GenerateRequest request = bench.request();
  std::vector<uint32_t> streamed;
  request.on_token = [&](uint32_t token) { streamed.push_back(token); };
  const Generation plain = Bench::run(request);
  REQUIRE(plain.tokens.size() == 10);
  CHECK(streamed == plain.tokens);
  CHECK(plain.stop_reason == StopReason::kLength);
  CHECK_FALSE(plain.agreement.has_value());
  CHECK(plain.prompt_logits.empty());
  CHECK(plain.tokens_per_second() > 0);

  auto oracle = eval::Oracle::create(bench.model.checkpoint, Bench::kContext, pool()).value();
  std::vector<float> logits = oracle.forward_last(request.prompt).value();
  for (const uint32_t token : plain.tokens) {
    CHECK(token == static_cast<uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    logits = oracle.forward_last(std::vector{token}).value();
  }

  request.verify = true;
  const Generation verified = Bench::run(request);
  CHECK(verified.tokens == plain.tokens);
  REQUIRE(verified.agreement.has_value());
  CHECK(verified.agreement->agrees());
  CHECK(verified.agreement->positions == 4 + 9);
  CHECK(verified.agreement->tolerance > 0);
  CHECK(verified.agreement->max_abs_err > 0);  // two orders of summation: some bit differs
}

TEST_CASE("generation ends before a stop token, which is neither returned nor streamed") {
  const Bench bench;
  GenerateRequest request = bench.request();
  const std::vector<uint32_t> free = Bench::run(request).tokens;
  size_t stop = 1;  // the first place whose token has not come up before
  while (std::find(free.begin(), free.begin() + static_cast<long>(stop), free[stop]) !=
         free.begin() + static_cast<long>(stop)) {
    if (++stop == free.size()) break;
  }
  REQUIRE(stop < free.size());
  size_t streamed = 0;
  request.on_token = [&](uint32_t) { ++streamed; };
  request.stop_ids = {400000000, free[stop]};
  const Generation stopped = Bench::run(request);
  CHECK(stopped.stop_reason == StopReason::kStopToken);
  CHECK(stopped.tokens == std::vector<uint32_t>(free.begin(), free.begin() + static_cast<long>(stop)));
  CHECK(streamed == stop);
  request.stop_ids = {free[0]};
  const Generation at_once = Bench::run(request);
  CHECK(at_once.tokens.empty());
  CHECK(at_once.stop_reason == StopReason::kStopToken);
  CHECK(at_once.tokens_per_second() == 0);
}

TEST_CASE("a full context ends generation with one token more than it has free positions") {
  const Bench bench;
  GenerateRequest request = bench.request();
  request.max_tokens = 1000;
  const Generation filled = Bench::run(request);
  CHECK(filled.stop_reason == StopReason::kContext);
  CHECK(filled.tokens.size() == Bench::kContext - 4 + 1);
  request.prompt.assign(Bench::kContext, 3);
  CHECK(Bench::run(request).tokens.size() == 1);
  request.max_tokens = 0;
  const Generation none = Bench::run(request);
  CHECK(none.tokens.empty());
  CHECK(none.stop_reason == StopReason::kLength);
}

TEST_CASE("prompt logits have a row for every prompt token, whatever is generated after") {
  const Bench bench;
  GenerateRequest request = bench.request();
  request.keep_prompt_logits = true;
  const size_t vocab = bench.model.graph.config.vocab_size;
  const std::vector<float> with_tokens = Bench::run(request).prompt_logits;
  CHECK(with_tokens.size() == 4 * vocab);
  request.max_tokens = 0;
  CHECK(Bench::run(request).prompt_logits == with_tokens);
  auto oracle = eval::Oracle::create(bench.model.checkpoint, Bench::kContext, pool()).value();
  const std::vector<float> expected = oracle.forward(request.prompt).value();
  for (size_t i = 0; i < expected.size(); ++i) REQUIRE(std::abs(expected[i] - with_tokens[i]) < 1e-4F);
}

TEST_CASE("a sampled run is replayed by its seed, and its tokens are verified like any other") {
  const Bench bench;
  GenerateRequest request = bench.request();
  request.sampling = {.temperature = 1.5, .top_k = 40, .top_p = 0.95, .seed = 11};
  request.verify = true;
  const Generation first = Bench::run(request);
  CHECK(first.agreement->agrees());
  CHECK(Bench::run(request).tokens == first.tokens);
  request.sampling.seed = 12;
  CHECK(Bench::run(request).tokens != first.tokens);
}

TEST_CASE("requests that cannot be met are refused before anything is computed") {
  const Bench bench;
  const auto refusal = [&](const std::function<void(GenerateRequest&)>& change) {
    GenerateRequest request = bench.request();
    change(request);
    request.on_token = [](uint32_t) { FAIL("a refused request handed out a token"); };
    const auto generation = eval::generate(request, pool());
    REQUIRE_FALSE(generation.ok());
    CHECK(generation.error().code == ErrorCode::kUsage);
    return generation.error().message;
  };
  CHECK(refusal([](auto& r) { r.prompt.clear(); }) == "expected a prompt of at least one token, found none");
  CHECK(refusal([](auto& r) { r.prompt.assign(25, 1); }) ==
        "expected a prompt of at most 24 tokens, the program's context, found 25");
  CHECK(refusal([](auto& r) { r.prompt.back() = UINT32_MAX; }).find("found 4294967295") != std::string::npos);
  CHECK(refusal([](auto& r) { r.sampling.temperature = -1; }).find("temperature") != std::string::npos);
  CHECK(refusal([](auto& r) { r.sampling.top_p = 0; }).find("top-p") != std::string::npos);
}

TEST_CASE("an agreement holds no NaN, no infinity and no other token") {
  eval::Agreement agreement{.positions = 1, .max_abs_err = 1e-6, .tolerance = 1e-5, .different_tokens = 0};
  CHECK(agreement.agrees());
  agreement.different_tokens = 1;
  CHECK_FALSE(agreement.agrees());
  agreement.different_tokens = 0;
  agreement.max_abs_err = 1e-4;
  CHECK_FALSE(agreement.agrees());
  agreement.max_abs_err = NAN;
  CHECK_FALSE(agreement.agrees());
  agreement.max_abs_err = agreement.tolerance = INFINITY;
  CHECK_FALSE(agreement.agrees());
}

TEST_CASE("stop reasons have the names that the documents give") {
  CHECK(std::strcmp(eval::stop_reason_name(StopReason::kStopToken), "eos") == 0);
  CHECK(std::strcmp(eval::stop_reason_name(StopReason::kLength), "length") == 0);
  CHECK(std::strcmp(eval::stop_reason_name(StopReason::kContext), "context") == 0);
}
