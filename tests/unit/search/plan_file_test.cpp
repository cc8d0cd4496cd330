#include "search/plan_file.h"

#include <doctest/doctest.h>

#include <fstream>

#include "support/temp_directory.h"

using namespace amk;
using namespace amk::search;

namespace {

Plan a_plan() {
  Plan out;
  out.name = "night";
  out.made = 1764288000;
  out.reverts_max = 30;
  out.speedup = 2;
  out.slices = 3;
  out.last = Slice{"toy-h100-predicted", 16, 2, MoveOn::kTrials, "16 trials"};
  PlannedCampaign one{"toy-h100-predicted", "toy", "stored", "h100", "f32", "cpu", 256, 3, 7, {}};
  out.campaigns.push_back(one);
  one.campaign = "toy-i8";
  one.weights = "int8";
  one.ended = {MoveOn::kExhausted, "nothing is left to try", 40};
  out.campaigns.push_back(one);
  return out;
}

void write_text(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace

TEST_CASE("a plan is read as it was written") {
  const test::TempDirectory workspace;
  REQUIRE(write_plan(workspace.path(), a_plan()).ok());
  CHECK(read_plan(workspace.path(), "night").value() == a_plan());
  CHECK(read_plan(workspace.path(), "day").value() == std::nullopt);
  CHECK(plan_names(workspace.path()) == std::vector<std::string>{"night"});
  CHECK(read_plan(workspace.path(), "../night").error().code == ErrorCode::kUsage);
}

TEST_CASE("a writer that is killed half way leaves the plan as it was, and nothing that is taken for a plan") {
  const test::TempDirectory workspace;
  REQUIRE(write_plan(workspace.path(), a_plan()).ok());
  const std::string whole = plan_to_json(a_plan());
  // What write_file_atomic() leaves when it is killed before its rename, at whatever byte.
  for (const size_t bytes : {size_t{0}, size_t{1}, whole.size() / 2, whole.size() - 1})
    write_text(workspace.path() / "plans" / ("night.json.tmp.Ab" + std::to_string(bytes)), whole.substr(0, bytes));
  CHECK(plan_names(workspace.path()) == std::vector<std::string>{"night"});
  CHECK(read_plan(workspace.path(), "night").value() == a_plan());
  Plan later = a_plan();
  ++later.slices;
  REQUIRE(write_plan(workspace.path(), later).ok());
  CHECK(read_plan(workspace.path(), "night").value() == later);
}

TEST_CASE("a plan that is cut anywhere is refused with its file and a way out, never half read") {
  const std::string whole = plan_to_json(a_plan());
  for (size_t bytes = 0; bytes + 2 < whole.size(); bytes += 7) {
    const Result<Plan> cut = plan_from_json(whole.substr(0, bytes), "plans/night.json");
    REQUIRE_FALSE(cut.ok());
    CHECK(cut.error().code == ErrorCode::kBadInput);
    CHECK(cut.error().location == "plans/night.json");
    CHECK_FALSE(cut.error().hint.empty());
  }
  std::string wrong_rule = whole;
  wrong_rule.replace(wrong_rule.find("\"exhausted\""), 11, "\"tired\"");
  CHECK(plan_from_json(wrong_rule, "x").error().message.find("tired") != std::string::npos);
}
