// report, propose of a campaign, and the traces that both read.
#include <doctest/doctest.h>

#include <filesystem>

#include "cli/child.h"
#include "support/environment.h"
#include "support/xml_check.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

struct Gpu {
  Environment worker{"AMK_WORKER", FAKE_WORKER_PROGRAM};
  Environment way{"AMK_FAKE", "modelled"};
};

std::vector<std::string> loop_in(const Scratch& scratch, std::vector<std::string> more) {
  std::vector<std::string> out = {"loop", "toy", "--gpu", "h100", "--workspace", scratch / "work", "--trials", "8"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace

TEST_CASE("the report of predicted campaigns is a well-formed page that says so, and Markdown") {
  const Scratch scratch;
  for (const char* name : {"a", "b"})
    run_json(loop_in(scratch, {"--device", "cpu", "--campaign", name, "--schedule", R"({"fusion_grouping": []})"}), 0);
  const Json both = run_json({"report", "--workspace", scratch / "work", "--out", scratch / "both"}, 0);
  CHECK(both["campaigns"] == Json{"a", "b"});
  CHECK(both["notes"].empty());
  const std::string page = read_text(both["html"].get<std::string>());
  CHECK(XmlCheck::problem(page) == "");
  CHECK(page.find("predicted, not measured") != std::string::npos);
  CHECK(page.find("measured on GPU") == std::string::npos);
  CHECK(page.find("These timelines are predicted") != std::string::npos);
  const Json one =
      run_json({"report", "--workspace", scratch / "work", "--campaign", "b", "--out", scratch / "one"}, 0);
  const std::string markdown = read_text(one["markdown"].get<std::string>());
  CHECK(markdown.starts_with("# Campaign b\n"));
  for (const char* section : {"### Best schedule", "### Trajectory", "### What each knob does", "### Roofline",
                              "### Timeline of each SM", "### Tried and not kept", "### How good the ranking was"})
    CHECK(markdown.find(section) != std::string::npos);
  CHECK(markdown.find("not known") == std::string::npos);
}

TEST_CASE("a measured campaign's report ranks predictions, and draws the traces that it is given or finds") {
  const Gpu gpu;
  const Scratch scratch;
  run_json(loop_in(scratch, {"--device", "cuda", "--campaign", "m", "--schedule", R"({"fusion_grouping": []})"}), 0);
  const std::vector<std::string> report = {"report", "--workspace", scratch / "work", "--out", scratch / "out"};
  const auto page_of = [&](std::vector<std::string> more) {
    std::vector<std::string> all = report;
    all.insert(all.end(), more.begin(), more.end());
    const Json document = run_json(all, 0);
    return read_text(document["html"].get<std::string>());
  };
  const std::string before = page_of({});
  CHECK(before.find("rank correlation of predicted and measured latency") != std::string::npos);
  CHECK(before.find("These timelines are predicted") != std::string::npos);
  const std::string traced = page_of({"--trace"});
  CHECK(traced.find("traced on Fake H100") != std::string::npos);
  CHECK(traced.find("These timelines are predicted") == std::string::npos);
  CHECK(traced == page_of({}));  // the workspace has kept them
  const Json trace = run_json({"trace", "toy", "--runs", "1", "--timeline"}, 0);
  const std::string file = scratch.write("trace.json", trace.dump());
  CHECK(XmlCheck::problem(page_of({"--trace-before", file, "--trace-after", file})) == "");
  Json without = trace;
  without.erase("timeline");
  std::vector<std::string> refused = report;
  refused.insert(refused.end(), {"--trace-before", scratch.write("short.json", without.dump())});
  CHECK(run_json(refused, 3)["error"]["hint"] == "amk trace --timeline --json writes one");
}

TEST_CASE("propose starts from a campaign's incumbent, and points at the loss of the newest trace") {
  const Scratch scratch;
  const Json night =
      run_json(loop_in(scratch, {"--device", "cpu", "--campaign", "c", "--schedule", R"({"fusion_grouping": []})"}), 0);
  const std::vector<std::string> propose = {"propose",        "toy",        "--gpu", "h100", "--workspace",
                                            scratch / "work", "--campaign", "c"};
  const Json proposed = run_json(propose, 0);
  CHECK(proposed["incumbent"]["schedule_id"] == night["incumbent"]["schedule_id"]);
  CHECK(proposed["campaign"]["trials"] == 8);
  CHECK(proposed["campaign"]["latency_kind"] == "predicted");
  CHECK(proposed["last_trace"].is_null());
  CHECK(proposed["advice"]["by"] == "cost-model");
  CHECK(proposed["knobs"][0]["addresses"].size() > 0);
  {
    const Gpu gpu;
    run_json({"trace", "toy", "--gpu", "h100", "--runs", "1", "--workspace", scratch / "work"}, 0);
  }
  const Json after = run_json(propose, 0);
  CHECK(after["advice"]["by"] == "trace");
  CHECK(after["advice"]["loss"] == after["last_trace"]["largest_loss"]);
  CHECK_FALSE(after["advice"]["knobs"].empty());
  std::vector<std::string> other = propose;
  other[1] = "toy-2l";
  CHECK(
      run_json(other, 2)["error"]["message"].get<std::string>().starts_with("expected a campaign of toy-2l for h100"));
  const auto refused = [&](const char* option, const char* value) {
    std::vector<std::string> with = propose;
    with.insert(with.end(), {option, value});
    const Json error = run_json(with, 2)["error"];
    CHECK(error["location"] == option);
    return error["message"].get<std::string>();
  };
  CHECK(refused("--kv-dtype", "bf16") == "expected f32, the campaign's, found bf16");
  CHECK(refused("--context", "64") == "expected 256, the campaign's, found 64");
  CHECK(refused("--position", "7") == "expected 0, the campaign's, found 7");
}

TEST_CASE("a report of nothing says how something is made") {
  const Scratch scratch;
  CHECK(run_json({"report", "--workspace", scratch / "none"}, 3)["error"]["code"] == "bad-input");
  run_json(loop_in(scratch, {"--device", "cpu", "--campaign", "a"}), 0);
  CHECK(run_json({"report", "--workspace", scratch / "work", "--campaign", "x"}, 2)["error"]["message"] ==
        "expected one of the campaigns a, found 'x'");
}
