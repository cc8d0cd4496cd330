#include "vm/cuda/kernel_build.h"

#include <doctest/doctest.h>

#include <set>

#include "schedule/isolate.h"
#include "schedule/schedule_config_json.h"
#include "support/lowered.h"
#include "vm/cuda/kernel_cache.h"

namespace {

using namespace amk;
using namespace amk::vm::cuda;

std::string key_of(const schedule::Program& program) {
  return kernel_key(compile_request(kernel_spec(program).value(), 90), "any");
}

uint32_t bit(abi::Opcode opcode) { return 1U << static_cast<uint32_t>(opcode); }

}  // namespace

TEST_CASE("each value of each build knob makes a kernel of its own, and changes nothing of the tasks") {
  const test::LoweredModel model = test::open_model("toy");
  const schedule::Program plain = test::lower(model);
  std::set<std::string> keys = {key_of(plain)};
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs) {
    for (uint32_t value = knob.min; value <= knob.max; value += knob.step) {
      if (value == knob.default_value) continue;
      CAPTURE(knob.path);
      CAPTURE(value);
      schedule::ScheduleConfig config;
      REQUIRE(schedule::set_knob(config, knob.path, std::to_string(value)).ok());
      schedule::Program program = test::lower(model, "h100", config);
      CHECK(keys.insert(key_of(program)).second);
      program.config = plain.config;
      program.meta = plain.meta;
      CHECK(program == plain);
    }
  }
}

TEST_CASE("a value outside a build knob's row is refused, with the nearest that is legal") {
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs) {
    CAPTURE(knob.path);
    schedule::ScheduleConfig config;
    CHECK_FALSE(schedule::set_knob(config, knob.path, std::to_string(knob.max + knob.step)).ok());
    CHECK_FALSE(schedule::set_knob(config, knob.path, "0").ok());
    const auto refused = schedule::set_knob(config, knob.path, "1000");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message.find("nearest legal value is " + std::to_string(knob.max)) != std::string::npos);
    CHECK(config == schedule::ScheduleConfig());
  }
}

TEST_CASE("a part runs the very kernel of the whole program, and no kernel that lacks something it needs") {
  const test::LoweredModel model = test::open_model("toy");
  const schedule::LowerRequest request{&model.graph, *schedule::find_target("h100"), {}, 256};
  const schedule::Program whole = test::lower(model, "h100", {}, 256);
  const KernelSpec of_whole = kernel_spec(whole).value();
  const schedule::Isolated part = schedule::isolate(request, whole, bit(abi::Opcode::kNormGateUpSilu)).value();
  const KernelSpec of_part = kernel_spec(part.program).value();
  CHECK(of_part.opcodes != of_whole.opcodes);
  const Result<KernelSpec> used = spec_of_whole(of_part, of_whole);
  REQUIRE(used.ok());
  CHECK(kernel_key(compile_request(*used, 90), "any") == key_of(whole));

  const auto refused = [&](const auto& change) {
    KernelSpec other = of_whole;
    change(other);
    return !spec_of_whole(of_part, other).ok();
  };
  CHECK(refused([](KernelSpec& of) { of.opcodes &= ~bit(abi::Opcode::kNormGateUpSilu); }));
  CHECK(refused([](KernelSpec& of) { of.formats = 0; }));
  CHECK(refused([](KernelSpec& of) { of.columns_max = 8; }));
  CHECK(refused([](KernelSpec& of) { of.launch.stages -= 1; }));
  CHECK(refused([](KernelSpec& of) { of.knobs[0] = 8; }));
  const schedule::Isolated attends = schedule::isolate(request, whole, bit(abi::Opcode::kAttention)).value();
  const KernelSpec of_attention = kernel_spec(attends.program).value();
  KernelSpec other = of_whole;
  other.group += 1;
  CHECK_FALSE(spec_of_whole(of_attention, other).ok());
  other = of_whole;
  other.kv_dtype = abi::Dtype::kF16;
  CHECK_FALSE(spec_of_whole(of_attention, other).ok());
}
