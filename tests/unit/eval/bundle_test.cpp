#include "eval/bundle.h"

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "base/random.h"
#include "support/lowered.h"
#include "support/temp_directory.h"
#include "vm/reference/reference_vm.h"

using namespace amk;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const std::string kGolden = "tests/models/llama-gqa-tied";
constexpr const char* kFiles[] = {"program.json", "config.json", "verdict.json", "report.md", "manifest.json"};

ThreadPool& pool() {
  static ThreadPool threads(2);
  return threads;
}

model::Checkpoint open_checkpoint(const std::string& name) {
  auto checkpoint = model::Checkpoint::open(name);
  REQUIRE(checkpoint.ok());
  return std::move(checkpoint).value();
}

eval::Evaluation evaluate(const model::Checkpoint& checkpoint, const schedule::ScheduleConfig& config = {}) {
  eval::EvaluateRequest request;
  request.checkpoint = &checkpoint;
  request.target = *schedule::find_target("t4");  // the fewest SMs: the smallest program
  request.config = config;
  request.context = 32;
  request.positions = 2;
  auto evaluation = eval::evaluate(request, pool());
  REQUIRE(evaluation.ok());
  REQUIRE(evaluation->verdict.correct);
  return std::move(evaluation).value();
}

fs::path written(const fs::path& out, const eval::Evaluation& evaluation, const model::Checkpoint& checkpoint) {
  const auto place = eval::write_bundle(out, evaluation, checkpoint);
  REQUIRE_MESSAGE(place.ok(), (place.ok() ? "" : place.error().text()));
  return *place;
}

/// The error of a bundle that must not open.
Error refusal(const fs::path& bundle, const fs::path& weights = {}) {
  const auto opened = eval::open_bundle(bundle, weights);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code != ErrorCode::kInternal);
  CHECK_FALSE(opened.error().message.empty());
  return opened.error();
}

size_t entries(const fs::path& directory) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

/// A bundle of a golden model that was copied to a directory of the test's own.
struct GoldenBundle {
  test::TempDirectory directory;
  fs::path model = directory.path() / "model";
  fs::path bundle;

  GoldenBundle() {
    fs::copy(kGolden, model);
    const model::Checkpoint checkpoint = open_checkpoint(model.string());
    bundle = written(directory.path() / "out", evaluate(checkpoint), checkpoint);
  }
};

}  // namespace

TEST_CASE("a bundle opens as the program that was written, and runs: a golden model's and a built-in's") {
  for (const std::string& name : {kGolden, std::string("toy-2l")}) {
    const test::TempDirectory directory;
    const model::Checkpoint checkpoint = open_checkpoint(name);
    const eval::Evaluation evaluation = evaluate(checkpoint);
    const fs::path place = written(directory.path() / "new" / "out", evaluation, checkpoint);
    CHECK(place == directory.path() / "new" / "out" / (checkpoint.name() + ".t4.amk"));
    CHECK(eval::is_bundle(place));
    CHECK(entries(place) == std::size(kFiles));
    CHECK(entries(place.parent_path()) == 1);
    for (const char* file : {"program.json", "config.json", "verdict.json", "manifest.json"})
      CHECK_MESSAGE(json::accept(test::slurp(place / file)), file);

    const auto opened = eval::open_bundle(place, {});
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text()));
    CHECK(opened->program.program() == evaluation.program->program());
    CHECK(opened->checkpoint.config() == checkpoint.config());
    auto machine = vm::ReferenceVm::create(opened->program, opened->checkpoint, pool());
    REQUIRE(machine.ok());
    CHECK(machine->step(1).ok());
  }
}

TEST_CASE("a bundle of quantised weights opens with them, and as nothing else") {
  const test::TempDirectory directory;
  model::OpenOptions options;
  options.weights = abi::Dtype::kI4G64;
  auto checkpoint = model::Checkpoint::open(kGolden, options);
  REQUIRE(checkpoint.ok());
  const fs::path place = written(directory.path(), evaluate(*checkpoint), *checkpoint);
  const auto opened = eval::open_bundle(place, {});
  REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text()));
  CHECK(opened->checkpoint.weight_format() == model::WeightFormat(abi::Dtype::kI4G64));
  json manifest = json::parse(test::slurp(place / "manifest.json"));
  CHECK(manifest["model"]["weights"] == "int4:64");
  for (const char* other : {"stored", "int8:64", "int4:128", "int5", ""}) {
    manifest["model"]["weights"] = other;
    std::ofstream(place / "manifest.json") << manifest.dump();
    CAPTURE(other);
    const Error error = refusal(place);
    CHECK(error.code == ErrorCode::kBadInput);
  }
}

TEST_CASE("a file of a bundle that was changed by a bit, cut, lengthened, emptied or removed is refused") {
  const GoldenBundle golden;
  Random random(3);
  for (const char* name : kFiles) {
    if (std::string_view(name) == "manifest.json") continue;  // holds the others' hashes; its own tests are below
    const fs::path file = golden.bundle / name;
    const std::string good = test::slurp(file);
    std::vector<std::string> bad = {good.substr(0, good.size() - 1), good + " ", ""};
    for (int i = 0; i < 8; ++i) {
      bad.push_back(good);
      bad.back()[random.below(good.size())] ^= static_cast<char>(1U << random.below(8));
    }
    for (const std::string& content : bad) {
      test::spill(file, content);
      const Error error = refusal(golden.bundle);
      CHECK(error.code == ErrorCode::kBadInput);
      CHECK(error.location == file.string());
    }
    fs::remove(file);
    CHECK(refusal(golden.bundle).location == file.string());
    fs::create_directory(file);
    CHECK(refusal(golden.bundle).code == ErrorCode::kBadInput);
    fs::remove(file);
    test::spill(file, good);
  }
  CHECK(eval::open_bundle(golden.bundle, {}).ok());
}

TEST_CASE("a manifest that was changed anywhere is refused or changes nothing of what runs") {
  const GoldenBundle golden;
  const fs::path file = golden.bundle / "manifest.json";
  const schedule::Program program = eval::open_bundle(golden.bundle, {})->program.program();
  const std::string good = test::slurp(file);
  Random random(4);
  size_t refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string bad = good;
    switch (i % 4) {
      case 0:
        bad[random.below(bad.size())] ^= static_cast<char>(1U << random.below(8));
        break;
      case 1:
        bad.resize(random.below(bad.size()));
        break;
      case 2:
        bad[random.below(bad.size())] = static_cast<char>(random.below(256));
        break;
      default:
        bad.resize(random.below(200));
        for (char& byte : bad) byte = static_cast<char>(random.below(256));
    }
    test::spill(file, bad);
    const auto opened = eval::open_bundle(golden.bundle, {});
    if (opened.ok()) CHECK(opened->program.program() == program);
    refused += opened.ok() ? 0 : 1;
  }
  CHECK(refused > 250);
  fs::remove(file);
  CHECK_FALSE(eval::is_bundle(golden.bundle));
  CHECK(refusal(golden.bundle).code == ErrorCode::kIo);
}

TEST_CASE("a manifest whose parts are of the wrong kind, or that names strange files, is refused by that part") {
  const GoldenBundle golden;
  const fs::path file = golden.bundle / "manifest.json";
  const json good = json::parse(test::slurp(file));
  const auto message = [&](const std::function<void(json&)>& change) {
    json bad = good;
    change(bad);
    test::spill(file, bad.dump());
    const Error error = refusal(golden.bundle);
    CHECK(error.code == ErrorCode::kBadInput);
    return error.text();
  };
  for (const char* key : {"bundle_version", "ir_version", "files", "model"}) {
    CHECK(message([&](json& m) { m.erase(key); }).find(key) != std::string::npos);
    CHECK(message([&](json& m) { m[key] = "x"; }).find(key) != std::string::npos);
    CHECK(message([&](json& m) { m[key] = json::array(); }).find(key) != std::string::npos);
  }
  message([](json& m) { m["bundle_version"] = 2; });
  message([](json& m) { m["ir_version"] = 1e300; });
  message([](json& m) { m["files"].erase("program.json"); });
  message([](json& m) { m["files"]["program.json"]["sha256"] = std::string(64, '0'); });
  message([](json& m) { m["files"]["program.json"]["size"] = -1; });
  message([](json& m) { m["files"]["program.json"]["size"] = UINT64_MAX; });
  for (const char* name : {"../x", "/etc/passwd", "", "..", "a/b"})
    CHECK(message([&](json& m) { m["files"][name] = m["files"]["program.json"]; }).find("file names") !=
          std::string::npos);
  message([](json& m) { m["model"]["files"].erase("model.safetensors"); });  // nothing unhashed is run
  message([](json& m) { m["model"].erase("directory"); });
  message([](json& m) { m["model"]["directory"] = m["model"]["relative"] = std::string(100000, 'd'); });
  message([](json& m) { m["model"]["directory"] = m["model"]["relative"] = std::string("\0x", 2); });
  message([](json& m) { m["model"]["source"] = 7; });
  for (const char* text : {"", "null", "[]", "{", "{}", "\xff\xfe", "[[[[[[[["}) {
    test::spill(file, text);
    CHECK(refusal(golden.bundle).code == ErrorCode::kBadInput);
  }
  test::spill(file, std::string(1 << 20, '['));
  CHECK(refusal(golden.bundle).code == ErrorCode::kBadInput);
}

TEST_CASE("a model that moved is found where --model-dir says, or beside the bundle as it lay before") {
  GoldenBundle golden;
  const fs::path moved = golden.directory.path() / "elsewhere";
  fs::rename(golden.model, moved);
  const Error lost = refusal(golden.bundle);
  CHECK(lost.code == ErrorCode::kBadInput);
  CHECK(lost.hint.find("--model-dir") != std::string::npos);
  CHECK(eval::open_bundle(golden.bundle, moved).ok());
  CHECK(refusal(golden.bundle, golden.directory.path()).code != ErrorCode::kInternal);

  // Bundle and model moved together.
  fs::create_directory(golden.directory.path() / "disk");
  fs::rename(moved, golden.directory.path() / "disk" / "model");
  fs::rename(golden.directory.path() / "out", golden.directory.path() / "disk" / "out");
  CHECK(eval::open_bundle(golden.directory.path() / "disk" / "out" / golden.bundle.filename(), {}).ok());
}

TEST_CASE("a model that changed since is refused by the file that changed; a built-in takes no weights") {
  GoldenBundle golden;
  for (const char* name : {"model.safetensors", "config.json", "generation_config.json"}) {
    const fs::path file = golden.model / name;
    const std::string good = test::slurp(file);
    std::string bad = good;
    bad[bad.size() - 2] ^= 1;
    test::spill(file, bad);
    const Error error = refusal(golden.bundle);
    CHECK(error.code == ErrorCode::kBadInput);
    CHECK(fs::path(error.location).filename() == name);
    CHECK(error.message.find("SHA-256") != std::string::npos);
    test::spill(file, good);
  }
  CHECK(eval::open_bundle(golden.bundle, {}).ok());
  const model::Checkpoint toy = open_checkpoint("toy");
  const fs::path bundle = written(golden.directory.path() / "out", evaluate(toy), toy);
  CHECK(refusal(bundle, golden.model).code == ErrorCode::kUsage);
}

TEST_CASE("what cannot be written leaves nothing behind, and what is no bundle is left alone") {
  const test::TempDirectory directory;
  const model::Checkpoint toy = open_checkpoint("toy");
  const eval::Evaluation evaluation = evaluate(toy);
  const auto failure = [&](const fs::path& out) {
    const auto place = eval::write_bundle(out, evaluation, toy);
    REQUIRE_FALSE(place.ok());
    return place.error().code;
  };
  test::spill(directory.path() / "file", "kept");
  CHECK(failure(directory.path() / "file") == ErrorCode::kIo);
  CHECK(failure(directory.path() / "file" / "below") == ErrorCode::kIo);
  CHECK(failure("/proc/self/amk") == ErrorCode::kIo);
  CHECK(failure("/proc/self") == ErrorCode::kIo);
  CHECK(test::slurp(directory.path() / "file") == "kept");
  CHECK(entries(directory.path()) == 1);

  const fs::path occupied = directory.path() / "out" / "toy.t4.amk";
  fs::create_directories(occupied);
  test::spill(occupied / "notes", "mine");
  CHECK(failure(directory.path() / "out") == ErrorCode::kUsage);
  CHECK(test::slurp(occupied / "notes") == "mine");
  CHECK(entries(directory.path() / "out") == 1);

  eval::Evaluation rejected = evaluation;
  rejected.program.reset();
  const auto place = eval::write_bundle(directory.path() / "none", rejected, toy);
  REQUIRE_FALSE(place.ok());
  CHECK(place.error().code == ErrorCode::kUsage);
  CHECK_FALSE(fs::exists(directory.path() / "none"));
}

TEST_CASE("a bundle takes the place of an older one whole") {
  const test::TempDirectory directory;
  const model::Checkpoint toy = open_checkpoint("toy");
  const fs::path first = written(directory.path(), evaluate(toy), toy);
  test::spill(first / "left over", "");
  const eval::Evaluation unfused = evaluate(toy, test::unfused());
  CHECK(written(directory.path(), unfused, toy) == first);
  CHECK(entries(first) == std::size(kFiles));
  CHECK(entries(directory.path()) == 1);
  const auto opened = eval::open_bundle(first, {});
  REQUIRE(opened.ok());
  CHECK(opened->program.program() == unfused.program->program());
}

TEST_CASE("a writer killed at any instant leaves no bundle, the old one or the new one") {
  const test::TempDirectory directory;
  const model::Checkpoint toy = open_checkpoint("toy");
  const eval::Evaluation versions[] = {evaluate(toy), evaluate(toy, test::unfused())};
  const fs::path place = directory.path() / "toy.t4.amk";
  const uint64_t seed = 17;
  CAPTURE(seed);
  Random random(seed);
  // Disks differ: the kills are spread over the time that two writes take on this one.
  const auto start = std::chrono::steady_clock::now();
  for (const eval::Evaluation& version : versions) written(directory.path(), version, toy);
  const auto window = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  int there = 0;
  for (int round = 0; round < 50; ++round) {
    // Every fifth round begins with nothing, the others with a bundle to replace.
    const bool before = round % 5 != 0;
    if (before) {
      if (!fs::exists(place)) written(directory.path(), versions[0], toy);
    } else {
      fs::remove_all(place);
    }
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (int i = 0;; ++i) {
        if (!eval::write_bundle(directory.path(), versions[i % 2], toy).ok()) ::_exit(1);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(static_cast<uint64_t>(window.count()))));
    REQUIRE(::kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CAPTURE(round);
    if (!fs::exists(place)) {
      CHECK_FALSE(before);
      continue;
    }
    ++there;
    const auto opened = eval::open_bundle(place, {});
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text()));
    const schedule::Program& found = opened->program.program();
    CHECK((found == versions[0].program->program() || found == versions[1].program->program()));
  }
  CHECK(there >= 40);
  MESSAGE(there << " of 50 kills found a bundle in its place");
}
