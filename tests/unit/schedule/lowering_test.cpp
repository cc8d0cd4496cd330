#include "schedule/lowering.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>
#include <set>

#include "abi/build_knob.h"
#include "schedule/fusion.h"
#include "schedule/schedule_config_json.h"
#include "support/lowered.h"
#include "validator/validator.h"

using namespace amk;
using schedule::Program;
using schedule::ScheduleConfig;
using test::lower;
using test::open_model;

namespace {

/// "" when accepted, else the first finding.
std::string rejection(const Program& program) {
  validator::Validator validator;
  const auto& findings = validator.check(program);
  if (validator.outcome() == validator::Outcome::kAccepted) return "";
  return findings.empty() ? "unproven" : validator::describe(findings.front(), program);
}

std::set<std::string> instructions_of(const Program& program) {
  std::set<std::string> names;
  for (const schedule::Task& task : program.tasks) names.insert(abi::info(task.opcode).name);
  return names;
}

}  // namespace

TEST_CASE("fused and unfused lowerings of every shape are accepted on every target") {
  for (const char* name :
       {"toy", "toy-2l", "tests/models/llama-mha", "tests/models/llama-gqa-tied", "tests/models/llama-head-dim",
        "tests/models/llama-odd-sizes", "tests/models/llama-bf16-sharded", "tests/models/llama-f16",
        "tests/models/llama3-rope", "models/shakespeare-llama-3m"}) {
    const test::LoweredModel model = open_model(name);
    for (const abi::TargetInfo& target : abi::kTargets) {
      INFO(name, " on ", target.name);
      CHECK(rejection(lower(model, target.name)) == "");
      CHECK(rejection(lower(model, target.name, test::unfused())) == "");
    }
  }
}

TEST_CASE("real shapes are accepted at full size, fused and unfused") {
  for (const char* name : {"synthetic:smollm2-135m", "synthetic:tinyllama-1.1b", "synthetic:llama-3.2-1b",
                           "synthetic:llama-3.2-3b", "synthetic:llama-3.1-8b"}) {
    const test::LoweredModel model = open_model(name);
    INFO(name);
    CHECK(rejection(lower(model)) == "");
    CHECK(rejection(lower(model, "h100", test::unfused())) == "");
  }
}

TEST_CASE("the default schedule fuses, and without fusion there are primitives only") {
  const test::LoweredModel model = open_model("toy-2l");
  CHECK(instructions_of(lower(model)) == std::set<std::string>{"Embed", "NormQkvRopeAppend", "Attention",
                                                               "AttentionCombine", "NormGateUpSilu", "GemvResidual",
                                                               "NormGemv", "Argmax", "ArgmaxCombine"});
  CHECK(instructions_of(lower(model, "h100", test::unfused())) ==
        std::set<std::string>{"Embed", "RmsNorm", "Gemv", "Rope", "KvAppend", "Attention", "Combine", "ResidualAdd",
                              "SiluMul", "Argmax", "ArgmaxCombine"});
}

TEST_CASE("every row of the fusion table can be chosen alone and is then used") {
  const test::LoweredModel model = open_model("toy-2l");
  for (const schedule::Fusion& fusion : schedule::all_fusions()) {
    ScheduleConfig config = test::unfused();
    config.fusion_grouping.emplace_back();
    for (const abi::GraphOp op : fusion.ops) config.fusion_grouping.back().emplace_back(schedule::op_name(op));
    INFO(schedule::config_to_json(config));
    const Program program = lower(model, "h100", config);
    CHECK(rejection(program) == "");
    CHECK(instructions_of(program).contains(abi::info(fusion.opcode).name));
  }
}

TEST_CASE("every knob changes the program, at each of its values, and the program is accepted") {
  const test::LoweredModel model = open_model("models/shakespeare-llama-3m");
  struct Trial {
    const char* path;
    std::vector<std::string> values;
  };
  std::string rates;
  std::string sms;
  Program plain = lower(model, "h100");
  for (uint32_t sm = 0; sm < 132; ++sm) rates += fmt::format("{}{}", sm == 0 ? "" : ",", 10 + sm % 5);
  for (size_t task = 0; task < plain.tasks.size(); ++task)
    sms += fmt::format("{}{}", task == 0 ? "" : ",", task * 7 % 132);
  const std::vector<Trial> trials = {
      {"fusion_grouping", {"[]", R"([["qkv","rope","kv_append"],["o","residual"]])"}},
      {"tiling.gemv.n_tile", {"8", "16", "24", "256"}},
      {"tiling.gemv.k_chunk", {"64", "128", "512"}},
      {"tiling.attention.kv_block", {"16", "64", "4096"}},
      {"tiling.attention.splits", {"1", "3", "16"}},
      {"sm_assignment",
       {"round_robin", fmt::format("{{\"measured\":[{}]}}", rates), fmt::format("{{\"explicit\":[{}]}}", sms)}},
      {"page_allocation", {"linear", "none"}},
      {"pipelining_depth", {"2", "5", "8"}},
      {"threads_per_block", {"64", "1024"}},
      {"smem_bytes_per_block", {"65536"}},
      {"tokens_per_launch", {"2", "64"}},
      {"kernel_knobs.stream_backend", {"cp_async", "plain"}},
      {"kernel_knobs.copies_in_flight", {"1", "3"}},
      {"kernel_knobs.sync_protocol", {"counters"}},
      {"kernel_knobs.products", {"tensor_cores"}},
  };
  std::set<std::string> covered;
  for (const Trial& trial : trials) {
    covered.insert(trial.path);
    std::vector<Program> seen = {plain};
    for (const std::string& value : trial.values) {
      ScheduleConfig config;
      INFO(trial.path, " = ", value.substr(0, 80));
      REQUIRE(schedule::set_knob(config, trial.path, value).ok());
      const Program program = lower(model, "h100", config);
      CHECK(rejection(program) == "");
      for (const Program& other : seen) {
        // The config and its id differ of course; what must differ is what runs.
        Program copy = other;
        copy.config = program.config;
        copy.meta = program.meta;
        CHECK(copy != program);
      }
      seen.push_back(program);
    }
  }
  std::set<std::string> all;
#define AMK_KNOB_INT(field, path, default_value, min, max, step, unit, pass, doc) all.insert(path);
#define AMK_KNOB_AUTO_INT(field, path, min, max, step, unit, pass, auto_doc, doc) all.insert(path);
#define AMK_KNOB_AUTO_CHOICE(field, path, Type, pass, auto_doc, doc) all.insert(path);
#define AMK_KNOB_CHOICE(field, path, Type, default_value, pass, doc) all.insert(path);
#define AMK_KNOB_GROUPS(field, path, pass, doc) all.insert(path);
#define AMK_KNOB_SMS(field, path, pass, doc) all.insert(path);
#include "abi/knob.def"
  // These change the kernel's build and nothing else: tests/unit/vm/cuda/kernel_build_test.cpp.
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs) CHECK(all.erase(knob.path) == 1);
  CHECK(covered == all);
}

TEST_CASE("what cannot be lowered is refused with the knob's name, and nothing is clamped") {
  const test::LoweredModel model = open_model("toy");
  const auto refusal = [&](const char* target, const std::function<void(ScheduleConfig&)>& change,
                           uint32_t context = 256) {
    ScheduleConfig config;
    change(config);
    const auto result = schedule::lower({&model.graph, *schedule::find_target(target), config, context});
    return result.ok() ? std::string("lowered") : result.error().text();
  };
  const auto same = [](ScheduleConfig&) {};
  CHECK(refusal("h100", same, 257).find("expected a context from 1 to the model's 256, found 257") !=
        std::string::npos);
  CHECK(refusal("h100", [](auto& c) { c.gemv_n_tile = 12; })
            .find("knob tiling.gemv.n_tile: expected an integer from 8 to 65536 that "
                  "is a multiple of 8, found 12; the nearest legal value is 8") != std::string::npos);
  CHECK(refusal("t4", [](auto& c) {
          c.stream_backend = abi::StreamBackend::kBulk;
        }).find("knob kernel_knobs.stream_backend") == 0);
  CHECK(refusal("h100", [](auto& c) {
          c.pipelining_depth = 64;
          c.gemv_k_chunk = 4096;
          c.threads_per_block = 64;
        }).find("knob") != std::string::npos);
  CHECK(refusal("h100", [](auto& c) { c.copies_in_flight = 64; }).find("knob kernel_knobs.copies_in_flight") == 0);
  CHECK(refusal("h100", [](auto& c) {
          c.fusion_grouping = {{"rmsnorm", "rope"}};
        }).find("the nearest is") != std::string::npos);
  CHECK(refusal("h100", [](auto& c) {
          c.fusion_grouping = {{"rmsnorm", "qkv"}, {"qkv", "rope", "kv_append"}};
        }).find("displaced") != std::string::npos);
  CHECK(refusal("h100", [](auto& c) {
          c.sm_assignment.policy = abi::SmPolicy::kMeasured;
          c.sm_assignment.bandwidth = {1.0};
        }).find("expected 132 bandwidths") != std::string::npos);
}

TEST_CASE(
    "pages shared by colouring are no larger than without sharing, and activations that live together stay apart") {
  const test::LoweredModel model = open_model("models/shakespeare-llama-3m");
  ScheduleConfig none;
  none.page_allocation = abi::PageAllocation::kNone;
  CHECK(lower(model).scratch_bytes * 2 < lower(model, "h100", none).scratch_bytes);
}

TEST_CASE("the schedule id depends on every part of the request") {
  const test::LoweredModel model = open_model("toy");
  ScheduleConfig other;
  other.gemv_n_tile = 16;
  const abi::TargetInfo* h100 = *schedule::find_target("h100");
  const std::string id = schedule::schedule_id({&model.graph, h100, {}, 256});
  CHECK(id.size() == 12);
  CHECK(id == schedule::schedule_id({&model.graph, h100, {}, 256}));
  CHECK(id != schedule::schedule_id({&model.graph, h100, other, 256}));
  CHECK(id != schedule::schedule_id({&model.graph, *schedule::find_target("a100"), {}, 256}));
  CHECK(id != schedule::schedule_id({&model.graph, h100, {}, 128}));
}
