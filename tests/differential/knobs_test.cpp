// Every knob of knob.def, turned one at a time: the logits stay the oracle's.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <set>

#include "abi/build_knob.h"
#include "differential/fixture.h"
#include "eval/logits.h"
#include "eval/tolerance.h"
#include "schedule/fusion.h"
#include "schedule/schedule_config_json.h"

using namespace amk;
using schedule::ScheduleConfig;

namespace {

/// Values of every knob that this target can do, as text for set_knob.
std::map<std::string, std::vector<std::string>> values_for(const abi::TargetInfo& target, size_t tasks) {
  std::string rates;
  std::string sms;
  for (uint32_t sm = 0; sm < target.sms; ++sm) rates += fmt::format("{}{}", sm == 0 ? "" : ",", 10 + sm % 5);
  for (size_t task = 0; task < tasks; ++task) sms += fmt::format("{}{}", task == 0 ? "" : ",", task * 7 % target.sms);
  std::map<std::string, std::vector<std::string>> values = {
      {"fusion_grouping", {"[]", R"([["qkv","rope","kv_append"],["o","residual"]])"}},
      {"tiling.gemv.n_tile", {"8", "16", "24", "256", "65536"}},
      {"tiling.gemv.k_chunk", {"64", "128", "512"}},
      {"tiling.attention.kv_block", {"16", "64", "4096"}},
      {"tiling.attention.splits", {"1", "3", "16"}},
      {"sm_assignment",
       {"round_robin", "load_balance", fmt::format("{{\"measured\":[{}]}}", rates),
        fmt::format("{{\"explicit\":[{}]}}", sms)}},
      {"page_allocation", {"graph_color", "linear", "none"}},
      {"pipelining_depth", {"2", "3"}},
      {"threads_per_block", {"64", "96", "1024"}},
      {"smem_bytes_per_block", {"65536"}},
      {"tokens_per_launch", {"2", "64"}},
      {"kernel_knobs.stream_backend", {"plain"}},
      {"kernel_knobs.copies_in_flight", {"1"}},
      {"kernel_knobs.sync_protocol", {"counters", "packets"}},
      {"kernel_knobs.products", {"float32"}},
  };
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs) values[knob.path] = {std::to_string(knob.max)};
  if (target.sm >= 80) values["kernel_knobs.stream_backend"].emplace_back("cp_async");
  if (target.sm >= 80) values["kernel_knobs.products"].emplace_back("tensor_cores");
  if (target.sm >= 90) values["kernel_knobs.stream_backend"].emplace_back("bulk");
  return values;
}

/// A model, what to feed it and what the oracle says; 40 positions cross two blocks of 16 in the KV cache.
struct Bench {
  test::LoweredModel model;
  std::vector<uint32_t> ids;
  std::vector<float> expected;
  double tolerance;

  explicit Bench(const std::string& name)
      : model(test::open_model(name)),
        ids(test::some_tokens(model.graph.config, 40)),
        expected(test::oracle_logits(model.checkpoint, ids)),
        tolerance(eval::logit_tolerance(model.graph.config, eval::largest_magnitude(expected))) {}

  void check(const std::string& target, const ScheduleConfig& config) const {
    vm::ReferenceVm machine = test::bind(test::accepted(model, target, config), model.checkpoint);
    CHECK(eval::largest_difference(test::logits_of(machine, ids), expected) <= tolerance);
  }
};

}  // namespace

TEST_CASE("every knob at each of its values gives the oracle's logits, on three architectures") {
  std::set<std::string> all;
#define AMK_KNOB_INT(field, path, default_value, min, max, step, unit, pass, doc) all.insert(path);
#define AMK_KNOB_AUTO_INT(field, path, min, max, step, unit, pass, auto_doc, doc) all.insert(path);
#define AMK_KNOB_AUTO_CHOICE(field, path, Type, pass, auto_doc, doc) all.insert(path);
#define AMK_KNOB_CHOICE(field, path, Type, default_value, pass, doc) all.insert(path);
#define AMK_KNOB_GROUPS(field, path, pass, doc) all.insert(path);
#define AMK_KNOB_SMS(field, path, pass, doc) all.insert(path);
#include "abi/knob.def"

  const Bench bench("tests/models/llama-odd-sizes");
  for (const char* name : {"h100", "a10g", "t4"}) {
    const abi::TargetInfo& target = **schedule::find_target(name);
    const size_t tasks = test::lower(bench.model, name).tasks.size();
    std::set<std::string> covered;
    for (const auto& [path, values] : values_for(target, tasks)) {
      covered.insert(path);
      for (const std::string& value : values) {
        CAPTURE(name);
        CAPTURE(path);
        CAPTURE(value.substr(0, 80));
        ScheduleConfig config;
        REQUIRE(schedule::set_knob(config, path, value).ok());
        bench.check(name, config);
      }
    }
    CHECK(covered == all);
  }
}

TEST_CASE("every row of the fusion table, chosen alone, gives the oracle's logits") {
  const Bench bench("toy-2l");
  for (const schedule::Fusion& fusion : schedule::all_fusions()) {
    ScheduleConfig config = test::unfused();
    config.fusion_grouping.emplace_back();
    for (const abi::GraphOp op : fusion.ops) config.fusion_grouping.back().emplace_back(schedule::op_name(op));
    CAPTURE(schedule::config_to_json(config));
    bench.check("h100", config);
  }
}

TEST_CASE("default schedules give the oracle's logits on every target") {
  const Bench bench("toy");
  for (const abi::TargetInfo& target : abi::kTargets) {
    CAPTURE(target.name);
    bench.check(target.name, {});
    bench.check(target.name, test::unfused());
  }
}
