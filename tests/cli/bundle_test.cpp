#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include "cli/child.h"
#include "support/expected.h"

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
                                            "fault",
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

TEST_CASE("an output that is not the oracle's is a negative verdict: no latency, no bundle") {
  const Scratch scratch;
  const std::string model = scratch / "model";
  copy_model(model);
  // The tail of the data becomes NaN in any float format.
  const std::string weights = model + "/model.safetensors";
  std::string bytes = read_text(weights);
  std::fill(bytes.end() - 100000, bytes.end(), '\xff');
  std::ofstream(weights, std::ios::binary) << bytes;

  const Json verdict = run_json({"eval", model, "--positions", "2"}, 1);
  CHECK(keys_of(verdict) == with(kVerdictKeys, "perplexity"));
  CHECK(verdict["valid"] == true);
  CHECK(verdict["correct"] == false);
  CHECK(verdict["max_abs_err"].is_null());
  CHECK(verdict["latency_us"].is_null());
  CHECK(verdict["latency_kind"].is_null());
  CHECK(verdict["pct_of_floor"].is_null());

  const Json compiled = run_json({"compile", model, "--positions", "2", "--out", scratch / "out"}, 1);
  CHECK(compiled["bundle"].is_null());
  CHECK(!fs::exists(scratch / "out"));

  const Json generated = run_json({"generate", model, "--prompt", "ROMEO:", "--max-tokens", "4", "--verify"}, 1);
  CHECK(generated["verified"]["agrees"] == false);
}

TEST_CASE("the perplexity of the held-out text is the oracle's and transformers'") {
  const Scratch scratch;
  for (const amk::model::RopePrecision precision : kRopePrecisions) {
    const char* frequencies = precision == amk::model::RopePrecision::kFloat32 ? "float32" : "stored";
    const ShippedExpected expected = read_shipped_expected(kShipped, precision);
    const std::string file = scratch.write("text", expected.perplexity_text);
    const Json found =
        run_json({"eval", kShipped, "--positions", "2", "--perplexity", file, "--rope-frequencies", frequencies},
                 0)["perplexity"];
    CHECK(keys_of(found) == std::set<std::string>{"tokens", "value", "oracle"});
    CHECK(found["tokens"] == expected.perplexity_ids.size());
    CHECK(found["value"].get<double>() == doctest::Approx(expected.perplexity).epsilon(1e-5));
    CHECK(found["oracle"].get<double>() == doctest::Approx(expected.perplexity).epsilon(1e-5));
  }
}

TEST_CASE("a perplexity takes a tokenizer and a text that fits the context") {
  const Scratch scratch;
  const std::string file = scratch.write("text", "To be, or not to be, that is the question.");
  CHECK(run_amk({"eval", "toy", "--perplexity", file}).exit_code == 2);
  CHECK(run_amk({"eval", kShipped, "--context", "4", "--perplexity", file}).exit_code == 2);
  CHECK(run_amk({"eval", kShipped, "--perplexity", scratch.write("empty", "")}).exit_code == 2);
  CHECK(run_amk({"eval", kShipped, "--perplexity", scratch / "missing"}).exit_code == 3);
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

TEST_CASE("a bundle finds its model where --model-dir says it is") {
  const Scratch scratch;
  copy_model(scratch / "model");
  const Json verdict = run_json({"compile", scratch / "model", "--out", scratch / "out", "--positions", "2"}, 0);
  const std::string bundle = verdict["bundle"];
  fs::rename(scratch / "model", scratch / "moved");
  const Outcome lost = run_amk(prompted(bundle));
  CHECK(lost.exit_code == 3);
  CHECK(lost.err.find("--model-dir") != std::string::npos);
  std::vector<std::string> found = prompted(bundle);
  found.insert(found.end(), {"--model-dir", scratch / "moved"});
  CHECK(run_amk(found).exit_code == 0);
}

TEST_CASE("a bundle remembers what its weights were quantised to and what its caches hold") {
  const Scratch scratch;
  for (const auto& [format, dtype] : {std::pair("int8", "i8g128"), std::pair("int4:row", "i4row")}) {
    const Json verdict = run_json({"compile", kShipped, "--gpu", "t4", "--out", scratch / "out", "--positions", "4",
                                   "--weights", format, "--kv-dtype", "bf16"},
                                  0);
    CHECK(verdict["correct"] == true);
    CHECK(verdict["model"] == std::string("shakespeare-llama-3m-") + dtype);
    const std::string bundle = verdict["bundle"];
    CHECK(bundle.find(dtype) != std::string::npos);
    std::vector<std::string> arguments = prompted(bundle);
    arguments.emplace_back("--verify");
    const Json found = run_json(arguments, 0);
    CHECK(found["verified"]["agrees"] == true);
    CHECK(run_amk({"validate", bundle}).exit_code == 0);
    arguments.insert(arguments.end(), {"--weights", format});
    CHECK(run_amk(arguments).exit_code == 2);  // it has its own
  }
}

TEST_CASE("quantised weights and 16-bit caches take the bytes they say, and are as correct, in every verb") {
  const Json stored = run_json({"inspect", kShipped, "--gpu", "t4"}, 0);
  const std::vector<std::string> how = {"--gpu", "t4", "--weights", "int4:64", "--kv-dtype", "f16"};
  const auto with_how = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), how.begin(), how.end());
    return arguments;
  };
  const Json inspected = run_json(with_how({"inspect", kShipped}), 0);
  CHECK(inspected["kv_bytes"].get<uint64_t>() * 2 == stored["kv_bytes"].get<uint64_t>());
  CHECK(inspected["weight_bytes"].get<double>() < 0.35 * stored["weight_bytes"].get<double>());
  CHECK(inspected["schedule_id"] != stored["schedule_id"]);
  CHECK(run_amk(with_how({"propose", "toy"})).exit_code == 0);
  CHECK(run_amk(with_how({"validate", "toy"})).exit_code == 0);
  const Scratch scratch;
  std::ofstream(scratch / "text") << "First Citizen: before we proceed any further, hear me speak.";
  const Json verdict = run_json(with_how({"eval", kShipped, "--positions", "8", "--perplexity", scratch / "text"}), 0);
  CHECK(verdict["correct"] == true);
  CHECK(verdict["schedule_id"] == inspected["schedule_id"]);
  CHECK(verdict["perplexity"]["value"] > 1);
}

TEST_CASE("compile writes nothing for a schedule that the target cannot run") {
  const Scratch scratch;
  const Outcome outcome =
      run_amk({"compile", "toy", "--out", scratch / "out", "--gpu", "t4", "--set", "kernel_knobs.stream_backend=bulk"});
  CHECK(outcome.exit_code == 2);
  CHECK(outcome.err.find("kernel_knobs.stream_backend") != std::string::npos);
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
