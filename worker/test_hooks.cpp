#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "worker/handlers.h"

namespace amk::worker {
namespace {

using ipc::Json;
using ipc::Progress;

/// {"say": text on stdout} -> null. Text on stdout is no frame.
Result<Json> babble(const Json& params, Progress&) {
  fmt::print("{}\n", params.at("say").get<std::string>());
  std::fflush(stdout);
  return Json(nullptr);
}

/// {"say"?: text on stderr, "signal": number} or {"say"?, "exit": code}. Does not return.
Result<Json> crash(const Json& params, Progress&) {
  if (params.contains("say")) fmt::print(stderr, "{}\n", params.at("say").get<std::string>());
  if (params.contains("exit")) ::_exit(params.at("exit").get<int>());
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const int number = params.at("signal").get<int>();
  std::signal(number, SIG_DFL);
  std::raise(number);
  return Error{ErrorCode::kInternal, fmt::format("signal {} did not end the worker", number), "", ""};
}

/// {"reports": how often progress is reported, "pause_ms": before each report and before the reply} -> null
Result<Json> dawdle(const Json& params, Progress& progress) {
  const std::chrono::milliseconds pause(params.at("pause_ms").get<uint32_t>());
  for (int i = 0; i < params.at("reports").get<int>(); ++i) {
    std::this_thread::sleep_for(pause);
    progress.report({{"step", i}});
  }
  std::this_thread::sleep_for(pause);
  return Json(nullptr);
}

/// {"value": anything, "progress"?: how often it is reported} -> the value
Result<Json> echo(const Json& params, Progress& progress) {
  for (int i = 0; i < params.value("progress", 0); ++i) progress.report({{"step", i}});
  return Json(params.at("value"));
}

/// {"code"?, "fault"?: true, "throw"?: true} -> an error, with the fault of a task where it is asked for.
Result<Json> fail(const Json& params, Progress& progress) {
  if (params.value("throw", false)) throw std::runtime_error("as it was asked to");
  if (params.value("fault", false)) progress.set_fault({7, "qkv.3", 11, 5, 41, 42, 2000.5});
  return Error{ErrorCode::kUnsupported, "a message", "a location", "a hint"};
}

/// {"say"?: text on stderr}. Does not return, whatever signal asks it to.
Result<Json> hang(const Json& params, Progress&) {
  if (params.contains("say")) fmt::print(stderr, "{}\n", params.at("say").get<std::string>());
  std::signal(SIGTERM, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);
  while (true) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace

ipc::Handlers test_hooks() {
  return {{"babble", babble}, {"crash", crash}, {"dawdle", dawdle}, {"echo", echo}, {"fail", fail}, {"hang", hang}};
}

}  // namespace amk::worker
