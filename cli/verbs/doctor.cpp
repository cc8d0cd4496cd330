// amk doctor: what this machine has, and what will work on it. Never fails for what is missing.

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "abi/tables.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "cli/gpu_probe.h"
#include "cli/table.h"
#include "cli/verbs/verbs.h"
#include "model/checkpoint.h"
#include "schedule/program.h"
#include "schedule/target.h"

namespace amk::cli {
namespace {

namespace fs = std::filesystem;

struct Machine {
  std::string system;
  std::string processor;
  size_t cores = 0;  ///< that this process may run on
  std::vector<std::string> vector_isa;
  uint64_t memory_bytes = 0;
};

std::vector<std::string> vector_isa() {
  std::vector<std::string> out;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) out.emplace_back("sse4.2");
  if (__builtin_cpu_supports("avx")) out.emplace_back("avx");
  if (__builtin_cpu_supports("avx2")) out.emplace_back("avx2");
  if (__builtin_cpu_supports("fma")) out.emplace_back("fma");
  if (__builtin_cpu_supports("avx512f")) out.emplace_back("avx512f");
  if (__builtin_cpu_supports("avx512bf16")) out.emplace_back("avx512bf16");
#elif defined(__aarch64__)
  out.emplace_back("neon");
#endif
  return out;
}

/// The first "model name" of the kernel's list; some architectures have none.
std::string processor_name() {
  std::ifstream list("/proc/cpuinfo");
  for (std::string line; std::getline(list, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

Machine look_at_machine() {
  Machine out;
  utsname names{};
  if (uname(&names) == 0) out.system = fmt::format("{} {}, {}", names.sysname, names.release, names.machine);
  out.processor = processor_name();
  out.cores = available_cores();
  out.vector_isa = vector_isa();
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) out.memory_bytes = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page);
  return out;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Place {
  std::string path;
  bool exists = false;
  bool writable = false;  ///< it, or the nearest folder above it that exists
};

Place look_at_place(const fs::path& path) {
  Place out{path.string(), false, false};
  std::error_code ignored;
  out.exists = fs::is_directory(path, ignored);
  fs::path at = fs::absolute(path, ignored);
  while (!fs::exists(at, ignored) && at.has_relative_path()) at = at.parent_path();
  out.writable = access(at.c_str(), W_OK) == 0;
  return out;
}

Place workspace() {
  const std::string home = variable("AMK_HOME");
  return look_at_place(home.empty() ? fs::path(".amk") : fs::path(home));
}

Place cache() {
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return look_at_place(fs::path(cache) / "amk");
  const std::string home = variable("HOME");
  return look_at_place(fs::path(home.empty() ? "." : home) / ".cache" / "amk");
}

struct Ability {
  std::string what;
  bool works = false;
  std::string why;
};

std::vector<Ability> abilities(const GpuProbe& probe) {
  std::vector<Ability> out;
  out.push_back({"compile, validate and inspect programs for every target", true, "needs no GPU"});
  out.push_back({"run and verify programs on the CPU", true, "the reference VM"});
  out.push_back({"predict latencies", true, "the cost model"});
  const bool known = std::ranges::any_of(probe.gpus, [](const Gpu& gpu) { return gpu.target != nullptr; });
  std::string why = "by amk-worker";
  if (!probe.nvrtc) why = "needs NVRTC, which was not found";
  if (!known) why = probe.gpus.empty() ? probe.problem : "the GPU is none of the targets";
  out.push_back({"run and measure programs on a GPU", known && probe.nvrtc, why});
  out.push_back({"compile kernels for every target", probe.nvrtc.has_value(),
                 probe.nvrtc ? "by NVRTC " + *probe.nvrtc : "needs NVRTC, which was not found"});
  return out;
}

std::string or_missing(const std::optional<std::string>& version) { return version ? *version : "not found"; }
Json or_null(const std::optional<std::string>& version) { return version ? Json(*version) : Json(nullptr); }

std::string compiler() {
#if defined(__clang__)
  return std::string("clang ") + __clang_version__;
#else
  return std::string("gcc ") + __VERSION__;
#endif
}

std::string nlohmann_version() {
  return fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH);
}
std::string fmt_version() {
  return fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100);
}

Json to_json(const Place& place) {
  return {{"path", place.path}, {"exists", place.exists}, {"writable", place.writable}};
}

Json to_json(const Gpu& gpu) {
  return {{"name", gpu.name},
          {"sm", gpu.sm},
          {"sms", gpu.sms},
          {"memory_mb", static_cast<double>(gpu.memory_bytes) / 1e6},
          {"target", gpu.target == nullptr ? Json(nullptr) : Json(gpu.target->name)}};
}

Json document(const Machine& machine, const GpuProbe& probe) {
  Json gpus = Json::array();
  for (const Gpu& gpu : probe.gpus) gpus.push_back(to_json(gpu));
  Json able = Json::array();
  for (const Ability& ability : abilities(probe)) {
    able.push_back({{"what", ability.what}, {"works", ability.works}, {"why", ability.why}});
  }
  return {{"amk",
           {{"version", AMK_VERSION},
            {"ir_version", schedule::kIrVersion},
            {"compiler", compiler()},
            {"fmt", fmt_version()},
            {"nlohmann_json", nlohmann_version()}}},
          {"machine",
           {{"system", machine.system},
            {"processor", machine.processor},
            {"cores", machine.cores},
            {"vector_isa", machine.vector_isa},
            {"memory_mb", static_cast<double>(machine.memory_bytes) / 1e6}}},
          {"cuda",
           {{"driver", or_null(probe.driver)},
            {"nvrtc", or_null(probe.nvrtc)},
            {"cublas", or_null(probe.cublas)},
            {"problem", probe.problem.empty() ? Json(nullptr) : Json(probe.problem)}}},
          {"gpus", std::move(gpus)},
          {"workspace", to_json(workspace())},
          {"cache", to_json(cache())},
          {"targets", schedule::target_names()},
          {"models", model::builtin_models()},
          {"abilities", std::move(able)}};
}

std::string place_words(const Place& place) {
  return fmt::format("{} ({}, {})", place.path, place.exists ? "exists" : "not there yet",
                     place.writable ? "writable" : "NOT writable");
}

std::string words(const Machine& machine, const GpuProbe& probe) {
  Facts facts;
  facts.add("amk", fmt::format("{} (IR version {}), built by {}, fmt {}, nlohmann/json {}", AMK_VERSION,
                               schedule::kIrVersion, compiler(), fmt_version(), nlohmann_version()));
  facts.add("system", machine.system);
  facts.add("processor", fmt::format("{}, {} core{} for this process", machine.processor, machine.cores,
                                     machine.cores == 1 ? "" : "s"));
  facts.add("vector ISA", fmt::format("{}", fmt::join(machine.vector_isa, ", ")));
  facts.add("memory", human_bytes(machine.memory_bytes));
  facts.add("CUDA driver", probe.driver ? *probe.driver : probe.problem);
  facts.add("NVRTC", or_missing(probe.nvrtc));
  facts.add("cuBLAS", or_missing(probe.cublas));
  if (probe.gpus.empty()) facts.add("GPUs", probe.driver ? probe.problem : "none");
  for (const Gpu& gpu : probe.gpus) {
    facts.add("GPU", fmt::format("{}: {} SMs, sm_{}, {}; target {}", gpu.name, gpu.sms, gpu.sm,
                                 human_bytes(gpu.memory_bytes), gpu.target == nullptr ? "none" : gpu.target->name));
  }
  facts.add("workspace", place_words(workspace()));
  facts.add("cache", place_words(cache()));
  facts.add("targets", join(schedule::target_names()));
  facts.add("models built in", join(model::builtin_models()));
  std::string out = facts.text() + "\n";
  for (const Ability& ability : abilities(probe)) {
    out += fmt::format("{}  {} ({})\n", ability.works ? "works " : "cannot", ability.what, ability.why);
  }
  return out;
}

}  // namespace

Result<Exit> doctor(const DoctorOptions&, Output& output) {
  const Machine machine = look_at_machine();
  const GpuProbe probe = probe_cuda();
  if (output.json()) output.document(document(machine, probe));
  output.text(words(machine, probe));
  return Exit::kDone;
}

}  // namespace amk::cli
