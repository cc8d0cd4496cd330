#include <doctest/doctest.h>

#include "schedule/program_json.h"
#include "schedule/schedule_config_json.h"
#include "support/lowered.h"

using namespace amk;
using schedule::ScheduleConfig;

namespace {

std::string config_error(std::string_view text) {
  const auto result = schedule::config_from_json(text, "test");
  return result.ok() ? "read" : result.error().text();
}

bool contains(const std::string& text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a program read back from its JSON is the same program, and writes the same bytes") {
  for (const char* name : {"toy", "tests/models/llama-odd-sizes"}) {
    const test::LoweredModel model = test::open_model(name);
    for (const ScheduleConfig& config : {ScheduleConfig{}, test::unfused()}) {
      const schedule::Program program = test::lower(model, "l4", config);
      const std::string text = schedule::program_to_json(program);
      const auto read = schedule::program_from_json(text, "test");
      REQUIRE_MESSAGE(read.ok(), read.error().text());
      CHECK(*read == program);
      CHECK(schedule::program_to_json(*read) == text);
    }
  }
}

TEST_CASE("a config read back from its JSON is the same config, every knob set away from its default") {
  ScheduleConfig config;
  config.fusion_grouping = {{"o", "residual"}};
  config.gemv_n_tile = 64;
  config.gemv_k_chunk = 128;
  config.attention_kv_block = 32;
  config.attention_splits = 7;
  config.sm_assignment = {abi::SmPolicy::kMeasured, {1.5, 2.25}, {}};
  config.page_allocation = abi::PageAllocation::kNone;
  config.pipelining_depth = 3;
  config.threads_per_block = 96;
  config.smem_bytes_per_block = 65536;
  config.tokens_per_launch = 8;
  config.stream_backend = abi::StreamBackend::kPlain;
  config.copies_in_flight = 3;
  const auto read = schedule::config_from_json(schedule::config_to_json(config), "test");
  REQUIRE_MESSAGE(read.ok(), read.error().text());
  CHECK(*read == config);
  CHECK(*schedule::config_from_json("{}", "test") == ScheduleConfig{});
}

TEST_CASE("an unknown key, a wrong type and a value out of range are refused with the nearest legal one") {
  CHECK(contains(config_error(R"({"pipelining_dept": 4})"), "did you mean 'pipelining_depth'"));
  CHECK(contains(config_error(R"({"tiling": {"gemv": {"n_tyle": 8}}})"), "did you mean 'tiling.gemv.n_tile'"));
  CHECK(contains(config_error(R"({"tiling": {"gemv": {"n_tile": "8"}}})"),
                 "expected a non-negative integer or \"auto\", found \"8\""));
  CHECK(contains(config_error(R"({"tiling": {"gemv": {"n_tile": 8.5}}})"), "expected a non-negative integer"));
  CHECK(contains(config_error(R"({"tiling": {"gemv": {"n_tile": -8}}})"), "expected a non-negative integer"));
  CHECK(contains(config_error(R"({"tiling": {"gemv": 8}})"), "knob tiling.gemv: expected an object"));
  CHECK(contains(config_error(R"({"threads_per_block": 100})"), "nearest legal value is 96"));
  CHECK(contains(config_error(R"({"threads_per_block": 4096})"), "nearest legal value is 1024"));
  CHECK(contains(config_error(R"({"page_allocation": "linera"})"), "did you mean 'linear'"));
  CHECK(contains(config_error(R"({"sm_assignment": "measured"})"), "expected one bandwidth an SM"));
  CHECK(contains(config_error(R"({"sm_assignment": {"measured": [1, -1]}})"), "expected positive bandwidths"));
  CHECK(contains(config_error(R"({"fusion_grouping": [["o", "resdual"]]})"), "did you mean 'residual'"));
  CHECK(contains(config_error(R"({"fusion_grouping": [["o","residual"],["residual","o"]]})"), "twice"));
  CHECK(contains(config_error(R"({"threads_per_block": 64, "threads_per_block": 96})"), "twice"));
  CHECK(contains(config_error("[]"), "expected an object of knobs"));
  CHECK(contains(config_error("{"), "expected JSON"));
  CHECK(contains(config_error(std::string(100000, '[')), "nesting"));
}

TEST_CASE("set_knob changes one knob or nothing") {
  ScheduleConfig config;
  CHECK(schedule::set_knob(config, "tiling.gemv.n_tile", "16").ok());
  CHECK(config.gemv_n_tile == 16U);
  CHECK(schedule::set_knob(config, "tiling.gemv.n_tile", "auto").ok());
  CHECK_FALSE(config.gemv_n_tile.has_value());
  const ScheduleConfig before = config;
  CHECK_FALSE(schedule::set_knob(config, "tiling.gemv.n_tile", "13").ok());
  CHECK_FALSE(schedule::set_knob(config, "tiling.gemv", "16").ok());
  CHECK(config == before);
}

TEST_CASE("a program's JSON that is not of the form is refused at its place") {
  const std::string good = schedule::program_to_json(test::lower(test::open_model("toy"), "t4"));
  const auto broken = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    const auto result = schedule::program_from_json(text, "p.json");
    return result.ok() ? std::string("read") : result.error().text();
  };
  CHECK(contains(broken("\"ir_version\": 1", "\"ir_version\": 2"), "p.json: ir_version: expected 1, found 2"));
  CHECK(contains(broken("\"instruction\":\"Embed\"", "\"instruction\":\"Embedd\""), "did you mean 'Embed'"));
  CHECK(contains(broken("\"col_begin\":0", "\"col_begin\":-1"), "tasks[0].params.col_begin: expected an integer"));
  CHECK(contains(broken("\"operand\":\"token\"", "\"operand\":\"tokens\""),
                 "tasks[0].reads[0].operand: expected an operand that Embed reads"));
  CHECK(contains(broken("\"label\":\"embed\"", "\"label\":\"embed\",\"colour\":1"),
                 "tasks[0].colour: expected no such key"));
  CHECK(contains(broken("\"id\":0", "\"id\":1"), "buffers[0].id: expected 0"));
  CHECK(contains(broken("\"kind\":\"weight\"", "\"kind\":\"weigth\""), "did you mean 'weight'"));
  CHECK(contains(broken("\"signal\":0", "\"signal\":4294967296"), "signal: expected an integer from 0 to 4294967295"));
  CHECK(contains(broken("\"target\": ", "\"targets\": "), "target: expected a string, found no such key"));
  for (size_t cut = 0; cut < good.size(); cut += 997)
    CHECK_FALSE(schedule::program_from_json(good.substr(0, cut), "p.json").ok());
}
