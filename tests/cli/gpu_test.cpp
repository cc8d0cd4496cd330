// The verbs on a machine with a GPU, which here is a worker that answers from the reference VM and goes wrong as
// $AMK_FAKE says (tests/support/fake_worker.cpp).
#include <doctest/doctest.h>

#include <filesystem>

#include "base/sha256.h"
#include "cli/child.h"
#include "support/environment.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kFake = "Fake H100 80GB HBM3";

/// A machine with that GPU.
struct Gpu {
  explicit Gpu(const char* way) : worker("AMK_WORKER", FAKE_WORKER_PROGRAM), fake("AMK_FAKE", way) {}
  Environment worker;
  Environment fake;
};

std::vector<std::string> eval_toy(std::vector<std::string> more = {}) {
  std::vector<std::string> out = {"eval", "toy", "--context", "48", "--positions", "4"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

std::vector<std::string> generate_toy(std::vector<std::string> more = {}) {
  std::vector<std::string> out = {"generate", "toy", "--prompt-ids", "1,2,3", "--max-tokens", "9", "--ignore-eos"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

bool has_note(const Json& document, const std::string& text) {
  for (const Json& note : document["notes"]) {
    if (note.get<std::string>().find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("eval on a machine with the target's GPU is measured there, and --gpu none or --device cpu keep off it") {
  const Gpu gpu("");
  const Json measured = run_json(eval_toy(), 0);
  CHECK(measured["device"] == kFake);
  CHECK(measured["gpu"] == "h100");
  CHECK(measured["latency_kind"] == "measured-gpu");
  CHECK(measured["latency_us"] == doctest::Approx(124.5));
  CHECK(measured["fault"].is_null());
  CHECK(run_json(eval_toy({"--gpu", "h100"}), 0)["device"] == kFake);
  CHECK(run_json(eval_toy({"--device", "cuda"}), 0)["device"] == kFake);
  for (const std::vector<std::string>& off : {std::vector<std::string>{"--gpu", "none"}, {"--device", "cpu"}}) {
    const Json predicted = run_json(eval_toy(off), 0);
    CHECK(predicted["device"] == "cpu");
    CHECK(predicted["gpu"] == "h100");
    CHECK(predicted["latency_kind"] == "predicted");
  }
}

TEST_CASE(
    "a program for another GPU than this machine's runs on the CPU and says so, or not at all with --device cuda") {
  const Gpu gpu("");
  const Json predicted = run_json(eval_toy({"--gpu", "a100"}), 0);
  CHECK(predicted["device"] == "cpu");
  CHECK(predicted["latency_kind"] == "predicted");
  CHECK(has_note(predicted, "the program is for a100, this machine's GPU is Fake H100"));
  CHECK(run_amk(eval_toy({"--gpu", "a100", "--device", "cuda"})).exit_code == 3);
  CHECK(run_amk(eval_toy({"--gpu", "none", "--device", "cuda"})).exit_code == 2);
}

TEST_CASE("without a GPU everything is as it was, and --device cuda is refused") {
  const Gpu gpu("no-gpu");
  const Json predicted = run_json(eval_toy(), 0);
  CHECK(predicted["device"] == "cpu");
  CHECK(has_note(predicted, "--gpu auto: h100, because expected a GPU, found none"));
  const Outcome refused = run_amk(eval_toy({"--device", "cuda"}));
  CHECK(refused.exit_code == 3);
  CHECK(refused.err.find("expected a GPU, found none") != std::string::npos);
  const Environment no_worker("AMK_WORKER", "no-such-program");
  CHECK(run_json(eval_toy(), 0)["device"] == "cpu");
}

TEST_CASE("whatever goes wrong on the GPU, eval exits 1 with a verdict that is not correct and has no latency") {
  for (const char* way : {"nan:2", "wrong:1", "flicker", "late", "fault:3", "crash:3"}) {
    CAPTURE(way);
    const Gpu gpu(way);
    const Json verdict = run_json(eval_toy(), 1);
    CHECK(verdict["valid"] == true);
    CHECK(verdict["correct"] == false);
    CHECK(verdict["latency_us"].is_null());
    CHECK(verdict["fault"].is_null() == (std::string(way) != "fault:3"));
    if (std::string(way) != "fault:3") continue;
    CHECK(keys_of(verdict["fault"]) ==
          std::set<std::string>{"task", "label", "sm", "counter", "value", "threshold", "waited_ms"});
    CHECK(verdict["fault"]["label"] == "gate_up.0");
    CHECK(verdict["fault"]["waited_ms"] == 2000);
  }
  const Gpu gpu("nan:2");
  const Scratch scratch;
  const Json verdict = run_json({"compile", "toy", "--context", "48", "--out", scratch / "out"}, 1);
  CHECK(verdict["bundle"].is_null());
  CHECK(!std::filesystem::exists(scratch / "out"));
}

TEST_CASE("a program that the GPU has no room for is an error, not a verdict") {
  const Gpu gpu("too-small");
  const Outcome outcome = run_amk(eval_toy());
  CHECK(outcome.exit_code == 3);
  CHECK(outcome.err.find("device memory") != std::string::npos);
}

TEST_CASE("generate on a GPU writes what the CPU writes, and says where its tokens a second were measured") {
  const Json here = run_json(generate_toy({"--device", "cpu"}), 0);
  const Gpu gpu("");
  const Json there = run_json(generate_toy(), 0);
  CHECK(there["device"] == kFake);
  CHECK(there["generated_ids"] == here["generated_ids"]);
  CHECK(there["tokens_per_second"] > 0);
  CHECK(run_amk(generate_toy()).err.find("tokens/s measured on Fake H100") != std::string::npos);
  CHECK(run_json(generate_toy({"--verify"}), 0)["verified"]["agrees"] == true);
}

TEST_CASE("a generation whose GPU faults, crashes or writes NaN ends in an exit code that says so") {
  for (const char* way : {"fault:6", "crash:6"}) {
    CAPTURE(way);
    const Gpu gpu(way);
    const Outcome outcome = run_amk(generate_toy({"--temperature", "0.7"}));
    CHECK(outcome.exit_code == 4);
    CHECK(!outcome.out.empty());  // what was written before
    CHECK(!outcome.err.empty());
  }
  const Gpu gpu("nan:6");
  CHECK(run_json(generate_toy({"--verify"}), 1)["verified"]["agrees"] == false);
}

TEST_CASE("a bundle has the kernel and its hash where there is an NVRTC, and says that it was not measured") {
  const Gpu gpu("no-gpu");
  const Scratch scratch;
  const Json verdict = run_json({"compile", "toy", "--gpu", "h100", "--out", scratch / "out"}, 0);
  const std::filesystem::path bundle = verdict["bundle"].get<std::string>();
  const Json manifest = Json::parse(read_text(bundle / "manifest.json"));
  CHECK(manifest["measured"] == false);
  if (!std::filesystem::exists(bundle / "kernel.cubin")) {
    CHECK(manifest["kernel"].is_null());
    CHECK(has_note(verdict, "no kernel.cubin in the bundle"));
    return;
  }
  CHECK(manifest["kernel"]["file"] == "kernel.cubin");
  CHECK(manifest["kernel"]["sm"] == 90);
  const std::string cubin = read_text(bundle / "kernel.cubin");
  CHECK(cubin.substr(1, 3) == "ELF");
  CHECK(manifest["files"]["kernel.cubin"]["sha256"] == amk::sha256_hex(std::as_bytes(std::span(cubin))));

  const Environment no_nvrtc("AMK_NVRTC", "no-such-library");
  const Json without = run_json({"compile", "toy", "--gpu", "h100", "--out", scratch / "without"}, 0);
  CHECK(has_note(without, "no kernel.cubin in the bundle"));
}

TEST_CASE("a bundle runs on the GPU that it was compiled for, and was measured there") {
  const Gpu gpu("");
  const Scratch scratch;
  const Json verdict = run_json({"compile", "toy", "--out", scratch / "out"}, 0);
  const std::filesystem::path bundle = verdict["bundle"].get<std::string>();
  CHECK(Json::parse(read_text(bundle / "manifest.json"))["measured"] == true);
  std::vector<std::string> arguments = generate_toy();
  arguments[1] = bundle.string();
  CHECK(run_json(arguments, 0)["device"] == kFake);
}

TEST_CASE("bench on a GPU is the worker's samples and what follows from them, in a document, a table and a chart") {
  const Gpu gpu("");
  const Scratch scratch;
  const std::vector<std::string> arguments = {"bench", "toy", "--rounds", "3", "--positions", "0,7"};
  std::vector<std::string> with_files = arguments;
  with_files.insert(with_files.end(), {"--samples", "--svg", scratch / "bench.svg"});
  const Json report = run_json(with_files, 0);
  CHECK(keys_of(report) == std::set<std::string>{"model", "gpu", "schedule_id", "device", "sms", "driver", "cublas",
                                                 "weights", "kv_dtype", "context", "rounds", "seed", "correct",
                                                 "repeatable", "agreement", "rival_agreement", "bandwidth_gbps",
                                                 "positions", "notes"});
  CHECK(report["device"] == kFake);
  CHECK(report["correct"] == true);
  CHECK(report["bandwidth_gbps"] == 3000);
  REQUIRE(report["positions"].size() == 2);
  const Json& ours = report["positions"][1]["contenders"][0];
  CHECK(ours["name"] == "megakernel");
  CHECK(ours["samples_us"] == Json{107.0, 108.0, 109.0});
  CHECK(ours["latency_us"] == 108.0);
  CHECK(ours["ratio"].is_null());
  CHECK(report["positions"][1]["contenders"][1]["ratio"]["value"] == doctest::Approx(208.0 / 108.0));
  CHECK(has_note(report, "a note of the worker"));
  CHECK(has_note(report, "--gpu auto: h100"));
  CHECK(read_text(scratch / "bench.svg").ends_with("</svg>\n"));
  const Outcome table = run_amk(arguments);
  CHECK(table.exit_code == 0);
  CHECK(table.out.find("One token, 3 paired rounds") != std::string::npos);
}

TEST_CASE("trace on a GPU reports the worker's records, in a document, a timeline and events") {
  const Gpu gpu("");
  const Scratch scratch;
  const Json traced = run_json({"trace", "toy", "--runs", "3", "--position", "5", "--svg", scratch / "trace.svg",
                                "--perfetto", scratch / "trace.json"},
                               0);
  CHECK(keys_of(traced) == std::set<std::string>{"model", "gpu", "schedule_id", "device", "position", "correct",
                                                 "agreement", "runs", "span_p10_us", "span_p90_us", "bandwidth_gbps",
                                                 "trace"});
  CHECK(traced["device"] == kFake);
  CHECK(traced["runs"] == 3);
  CHECK(traced["trace"]["floor_us"] == 12.5);
  CHECK(traced["trace"]["levels"].size() > 5);
  CHECK(read_text(scratch / "trace.svg").ends_with("</svg>\n"));
  CHECK(Json::parse(read_text(scratch / "trace.json"))["traceEvents"].size() > 100);
}

TEST_CASE("bench and trace of what is wrong exit 1 and time nothing; a GPU that is lost on the way is exit code 4") {
  for (const char* verb : {"bench", "trace"}) {
    CAPTURE(verb);
    {
      const Gpu gpu("incorrect");
      const Json wrong = run_json({verb, "toy"}, 1);
      CHECK(wrong["correct"] == false);
      CHECK((wrong.contains("trace") ? wrong["trace"].is_null() : wrong["positions"].empty()));
    }
    for (const char* way : {"crash:2", "fault:2", "nonsense", "short"}) {
      CAPTURE(way);
      const Gpu gpu(way);
      const Json failed = run_json({verb, "toy"}, 4);
      CHECK(failed["error"]["code"] == "internal");
      CHECK(!failed["error"]["message"].get<std::string>().empty());
    }
    const Gpu gpu("no-gpu");
    const Json refused = run_json({verb, "toy"}, 3);
    CHECK(refused["error"]["message"] == "expected a GPU to measure on, found none: expected a GPU, found none");
  }
}
