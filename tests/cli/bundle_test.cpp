#include <doctest/doctest.h>

#include <fstream>

#include "cli/child.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {

const std::set<std::string> kVerdictKeys = {"valid",
                                            "verdict",
                                            "findings",
                                            "correct",
                                            "max_abs_err",
                                            "tolerance",
                                            "top1_agreement",
                                            "compared_positions",
                                            "repeatable",
                                            "latency_us",
                                            "latency_kind",
                                            "floor_us",
                                            "pct_of_floor",
                                            "schedule_id",
                                            "tasks",
                                            "latency_position",
                                            "weight_mb",
                                            "model",
                                            "gpu",
                                            "device",
                                            "notes"};

std::set<std::string> with(std::set<std::string> keys, const char* more) {
  keys.insert(more);
  return keys;
}

std::vector<std::string> prompted(const std::string& bundle) {
  return {"generate", bundle, "--prompt", "ROMEO:", "--max-tokens", "8"};
}

void copy_model(const fs::path& to) { fs::copy(kShipped, to, fs::copy_options::recursive); }

}  // namespace

TEST_CASE("eval says of a schedule whether it is valid, correct and how fast") {
  const Json verdict = run_json({"eval", "toy", "--gpu", "a100"}, 0);
  CHECK(keys_of(verdict) == with(kVerdictKeys, "perplexity"));
  CHECK(verdict["valid"] == true);
  CHECK(verdict["verdict"] == "accepted");
  CHECK(verdict["findings"].empty());
  CHECK(verdict["correct"] == true);
  CHECK(verdict["latency_kind"] == "predicted");
  CHECK(verdict["latency_us"] > 0);
  CHECK(verdict["gpu"] == "a100");
  CHECK(verdict["device"] == "cpu");
  CHECK(verdict["perplexity"].is_null());
}

TEST_CASE("eval says no to a schedule that the validator refuses, and gives it no latency") {
  const Json verdict = run_json({"eval", "toy", "--gpu", "t4", "--set", "kernel_knobs.stream_backend=bulk"}, 1);
  CHECK(verdict["valid"] == false);
  CHECK(verdict["verdict"] == "rejected");
  CHECK(verdict["correct"] == false);
  CHECK(verdict["latency_us"].is_null());
  CHECK(verdict["latency_kind"].is_null());
  CHECK(verdict["max_abs_err"].is_null());
  CHECK(!verdict["findings"].empty());
}

TEST_CASE("the perplexity of a text is the oracle's") {
  const Scratch scratch;
  const Json expected = Json::parse(read_text(fs::path(kShipped) / "expected.json"))["perplexity"];
  const std::string file = scratch.write("text", expected["text"].get<std::string>());
  const Json found = run_json({"eval", kShipped, "--positions", "2", "--perplexity", file}, 0)["perplexity"];
  CHECK(keys_of(found) == std::set<std::string>{"tokens", "value", "oracle"});
  const double oracle = found["oracle"];
  CHECK(found["value"].get<double>() == doctest::Approx(oracle).epsilon(1e-5));
  CHECK(run_amk({"eval", "toy", "--perplexity", file}).exit_code == 2);  // it has no tokenizer
  CHECK(run_amk({"eval", kShipped, "--context", "64", "--perplexity", file}).exit_code == 2);
}

TEST_CASE("a schedule can come from a file, with knobs set after it") {
  const Scratch scratch;
  const std::string file = scratch.write("s.json", R"({"tiling": {"gemv": {"n_tile": 32}}, "pipelining_depth": 4})");
  const Json from_file = run_json({"propose", "toy", "--schedule", file, "--set", "pipelining_depth=8"}, 0);
  CHECK(from_file["incumbent"]["schedule"]["tiling"]["gemv"]["n_tile"] == 32);
  CHECK(from_file["incumbent"]["schedule"]["pipelining_depth"] == 8);
  const Outcome wrong = run_amk({"eval", "toy", "--schedule", scratch.write("w.json", R"({"tilling": {}})")});
  CHECK(wrong.exit_code == 2);
  CHECK(run_amk({"eval", "toy", "--schedule", scratch.write("g.json", "{]")}).exit_code == 3);
}

TEST_CASE("a bundle runs later and gives what the model gave") {
  const Scratch scratch;
  const Json verdict =
      run_json({"compile", kShipped, "--out", scratch.path().string(), "--gpu", "h100", "--positions", "4"}, 0);
  CHECK(keys_of(verdict) == with(kVerdictKeys, "bundle"));
  const fs::path bundle = verdict["bundle"].get<std::string>();
  CHECK(bundle.filename() == "shakespeare-llama-3m.h100.amk");
  for (const char* name : {"program.json", "config.json", "verdict.json", "report.md", "manifest.json"}) {
    CHECK(fs::is_regular_file(bundle / name));
  }
  const Json from_bundle = run_json(prompted(bundle.string()), 0);
  const Json from_model = run_json(prompted(kShipped), 0);
  CHECK(from_bundle["generated_ids"] == from_model["generated_ids"]);
  CHECK(from_bundle["schedule_id"] == verdict["schedule_id"]);
  CHECK(run_amk({"validate", bundle.string()}).exit_code == 0);
  CHECK(run_json({"inspect", bundle.string()}, 0)["schedule_id"] == verdict["schedule_id"]);
  std::vector<std::string> rescheduled = prompted(bundle.string());
  rescheduled.insert(rescheduled.end(), {"--gpu", "a100"});
  CHECK(run_amk(rescheduled).exit_code == 2);
}

TEST_CASE("a bundle whose files changed is refused, whichever it was") {
  const Scratch scratch;
  copy_model(scratch / "model");
  const Json verdict =
      run_json({"compile", scratch / "model", "--out", scratch.path().string(), "--positions", "2"}, 0);
  const std::string bundle = verdict["bundle"];
  REQUIRE(run_amk(prompted(bundle)).exit_code == 0);
  const std::vector<std::string> files = {bundle + "/program.json",
                                          bundle + "/config.json",
                                          bundle + "/verdict.json",
                                          bundle + "/report.md",
                                          scratch / "model/model.safetensors",
                                          scratch / "model/tokenizer.json",
                                          scratch / "model/config.json"};
  for (const std::string& file : files) {
    CAPTURE(file);
    const std::string before = read_text(file);
    std::string after = before;
    after.back() = static_cast<char>(after.back() ^ 1);
    std::ofstream(file, std::ios::binary) << after;
    const Outcome outcome = run_amk(prompted(bundle));
    CHECK(outcome.exit_code == 3);
    CHECK(outcome.err.find("SHA-256") != std::string::npos);
    std::ofstream(file, std::ios::binary) << before;
  }
  CHECK(run_amk(prompted(bundle)).exit_code == 0);
  fs::remove(bundle + "/program.json");
  CHECK(run_amk(prompted(bundle)).exit_code == 3);
}

TEST_CASE("a bundle finds its model where --weights says it is") {
  const Scratch scratch;
  copy_model(scratch / "model");
  const Json verdict = run_json({"compile", scratch / "model", "--out", scratch / "out", "--positions", "2"}, 0);
  const std::string bundle = verdict["bundle"];
  fs::rename(scratch / "model", scratch / "moved");
  const Outcome lost = run_amk(prompted(bundle));
  CHECK(lost.exit_code == 3);
  CHECK(lost.err.find("--weights") != std::string::npos);
  std::vector<std::string> found = prompted(bundle);
  found.insert(found.end(), {"--weights", scratch / "moved"});
  CHECK(run_amk(found).exit_code == 0);
}

TEST_CASE("compile writes no bundle for what is not valid, and says so") {
  const Scratch scratch;
  const Json verdict = run_json(
      {"compile", "toy", "--out", scratch / "out", "--gpu", "t4", "--set", "kernel_knobs.stream_backend=bulk"}, 1);
  CHECK(verdict["bundle"].is_null());
  CHECK(!fs::exists(scratch / "out"));
}

TEST_CASE("the program after every pass can be had, and the last one is the bundle's") {
  const Scratch scratch;
  const Json verdict =
      run_json({"compile", "toy", "--out", scratch.path().string(), "--dump-passes", scratch / "passes"}, 0);
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(scratch / "passes")) names.insert(entry.path().filename());
  CHECK(names == std::set<std::string>{"00-fuse.json", "01-tile.json", "02-synchronize.json", "03-place.json",
                                       "04-allocate_pages.json", "05-plan_launch.json"});
  const fs::path bundle = verdict["bundle"].get<std::string>();
  CHECK(read_text(scratch / "passes/05-plan_launch.json") == read_text(bundle / "program.json"));
}

TEST_CASE("a broken checkpoint is refused, and nothing is written") {
  const Scratch scratch;
  const std::string model = scratch / "model";
  copy_model(model);
  const std::string out = scratch / "out";
  const auto compile = [&] { return run_amk({"compile", model, "--out", out}); };
  SUBCASE("truncated weights") { fs::resize_file(model + "/model.safetensors", 100000); }
  SUBCASE("empty weights") { fs::resize_file(model + "/model.safetensors", 0); }
  SUBCASE("no weights") { fs::remove(model + "/model.safetensors"); }
  SUBCASE("no config") { fs::remove(model + "/config.json"); }
  SUBCASE("garbage config") { std::ofstream(model + "/config.json") << "not json"; }
  const Outcome outcome = compile();
  CHECK(outcome.exit_code == 3);
  CHECK(outcome.err.starts_with("amk: "));
  CHECK(!fs::exists(out));
}
