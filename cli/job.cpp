#include "cli/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/files.h"
#include "base/text.h"
#include "eval/bundle.h"
#include "eval/gpu_machine.h"
#include "schedule/lowering.h"
#include "schedule/model_graph.h"
#include "schedule/program_json.h"
#include "schedule/schedule_config_json.h"
#include "schedule/target.h"

namespace amk::cli {
namespace {

constexpr uint64_t kScheduleBytesMax = 64ULL << 20;
constexpr uint64_t kProgramBytesMax = 4ULL << 30;
constexpr const char* kTargetWithoutGpu = "h100";

Result<const abi::TargetInfo*> choose_target(const std::string& gpu, std::vector<std::string>& notes,
                                             std::optional<GpuProbe>& probe, const std::string& launch) {
  if (gpu == "none") {
    notes.push_back(fmt::format("--gpu none: compiled for {}, run on the CPU", kTargetWithoutGpu));
    return schedule::find_target(kTargetWithoutGpu);
  }
  if (!gpu.empty() && gpu != "auto") {
    Result<const abi::TargetInfo*> target = schedule::find_target(gpu);
    if (target) return *target;
    Error error = target.error();
    error.location = "--gpu";
    error.hint += ", auto or none";
    return error;
  }
  probe = probe_gpus(launch);
  for (const Gpu& found : probe->gpus) {
    if (found.target == nullptr) continue;
    notes.push_back(fmt::format("--gpu auto: {}, this machine's {}", found.target->name, found.name));
    return found.target;
  }
  const std::string why = probe->gpus.empty()
                              ? probe->problem
                              : fmt::format("{} ({} SMs, sm_{}) is none of the targets", probe->gpus.front().name,
                                            probe->gpus.front().sms, probe->gpus.front().sm);
  notes.push_back(fmt::format("--gpu auto: {}, because {}", kTargetWithoutGpu, why));
  return schedule::find_target(kTargetWithoutGpu);
}

Status apply_set(schedule::ScheduleConfig& config, const std::string& set) {
  const size_t equals = set.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Error{ErrorCode::kUsage, fmt::format("expected KNOB=VALUE, found '{}'", set), "--set",
                 "for example --set pipelining_depth=8; amk propose lists the knobs"};
  }
  const std::string_view text = set;
  return schedule::set_knob(config, text.substr(0, equals), text.substr(equals + 1));
}

Result<schedule::ScheduleConfig> read_config(const ScheduleOptions& options) {
  schedule::ScheduleConfig config;
  if (!options.schedule_file.empty()) {
    const bool is_text = options.schedule_file.starts_with('{');
    std::string text = options.schedule_file;
    if (!is_text) {
      AMK_ASSIGN_OR_RETURN(text, read_file(options.schedule_file, kScheduleBytesMax));
    }
    AMK_ASSIGN_OR_RETURN(config, schedule::config_from_json(text, is_text ? "--schedule" : options.schedule_file));
  }
  for (const std::string& set : options.sets) AMK_TRY(apply_set(config, set));
  return config;
}

Result<schedule::Program> read_program_file(const std::filesystem::path& path) {
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(path, kProgramBytesMax));
  return schedule::program_from_json(text, path.string());
}

Result<model::OpenOptions> read_open_options(const ScheduleOptions& options) {
  model::OpenOptions out;
  if (!options.weights.empty()) {
    Result<model::WeightFormat> format = model::parse_weight_format(options.weights);
    if (!format) {
      Error error = format.error();
      error.location = "--weights";
      if (std::error_code ignored; std::filesystem::is_directory(options.weights, ignored)) {
        error.hint = "--model-dir says where the model of a bundle is";
      }
      return error;
    }
    out.weights = *format;
  }
  const std::string& wanted = options.rope_frequencies;
  if (wanted == "stored") out.rope_frequencies = model::RopePrecision::kStored;
  if (wanted.empty() || wanted == "float32" || wanted == "stored") return out;
  constexpr std::array<std::string_view, 2> kNames = {"float32", "stored"};
  return Error{ErrorCode::kUsage,
               fmt::format("expected float32 or stored, found '{}'{}", wanted, did_you_mean(wanted, kNames)),
               "--rope-frequencies", ""};
}

Result<abi::Dtype> read_kv_dtype(const ScheduleOptions& options) {
  constexpr std::array<abi::Dtype, 3> kKvDtypes = {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16};
  if (options.kv_dtype.empty()) return abi::Dtype::kF32;
  std::vector<std::string_view> names;
  for (const abi::Dtype dtype : kKvDtypes) {
    names.emplace_back(abi::dtype_name(dtype));
    if (options.kv_dtype == names.back()) return dtype;
  }
  return Error{ErrorCode::kUsage,
               fmt::format("expected one of {}, found '{}'{}", join(names), options.kv_dtype,
                           did_you_mean(options.kv_dtype, names)),
               "--kv-dtype", ""};
}

}  // namespace

Status check_device(const std::string& device) {
  static constexpr std::array<std::string_view, 3> kDevices = {"cpu", "cuda", "auto"};
  if (device.empty() || std::ranges::count(kDevices, device) > 0) return {};
  return Error{ErrorCode::kUsage,
               fmt::format("expected one of {}, found '{}'{}", join(kDevices), device, did_you_mean(device, kDevices)),
               "--device", ""};
}

Result<MeasuringGpu> find_gpu(const Job& job) {
  MeasuringGpu out{job.probe ? *job.probe : probe_gpus(), 0};
  if (out.probe.gpus.empty()) {
    return Error{ErrorCode::kUnsupported, "expected a GPU to measure on, found none: " + out.probe.problem, "",
                 "amk doctor says what this machine has; amk eval works without a GPU"};
  }
  const auto fitting = std::ranges::find(out.probe.gpus, job.target, &Gpu::target);
  out.ordinal = (fitting == out.probe.gpus.end() ? out.probe.gpus.front() : *fitting).ordinal;
  return out;
}

eval::Measurer MeasuringGpu::measurer(const RunOptions& options, Progress& progress) const {
  eval::Measurer out;
  out.worker = probe.worker.get();
  out.ordinal = ordinal;
  out.threads = options.threads;
  out.progress = [&progress](std::string_view step, uint32_t done, uint32_t of) { progress.step(step, done, of); };
  return out;
}

Result<Runner> choose_runner(const RunOptions& options, const ScheduleOptions& schedule, const std::string& target,
                             std::optional<GpuProbe> probe) {
  AMK_TRY(check_device(options.device));
  const bool needed = options.device == "cuda";
  if (needed && schedule.gpu == "none") {
    return Error{ErrorCode::kUsage, "expected a GPU beside --device cuda, found --gpu none", "--gpu", ""};
  }
  if (options.device == "cpu" || schedule.gpu == "none") return Runner{};
  if (!probe) probe = probe_gpus();
  for (const Gpu& gpu : probe->gpus) {
    if (gpu.target == nullptr || gpu.target->name != target) continue;
    eval::GpuOptions loading;
    loading.ordinal = gpu.ordinal;
    return Runner{eval::gpu_machines(probe->worker, loading), {}, probe->worker, gpu.ordinal};
  }
  const std::string why = probe->gpus.empty() ? probe->problem
                                              : fmt::format("the program is for {}, this machine's GPU is {}", target,
                                                            probe->gpus.front().name);
  if (needed) {
    return Error{ErrorCode::kUnsupported, fmt::format("expected a GPU that can run the program, found none: {}", why),
                 "--device", "leave --device out: the CPU verifies the program, and its latency is predicted"};
  }
  return probe->gpus.empty() ? Runner{} : Runner{{}, {"run on the CPU: " + why}, nullptr};
}

Result<Job> prepare(const std::string& model, const ScheduleOptions& options, const std::string& launch) {
  AMK_ASSIGN_OR_RETURN(const model::OpenOptions open_options, read_open_options(options));
  AMK_ASSIGN_OR_RETURN(const abi::Dtype kv_dtype, read_kv_dtype(options));
  std::vector<std::string> notes;
  std::optional<GpuProbe> probe;
  AMK_ASSIGN_OR_RETURN(schedule::ScheduleConfig config, read_config(options));
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, choose_target(options.gpu, notes, probe, launch));
  AMK_ASSIGN_OR_RETURN(model::Checkpoint checkpoint, model::Checkpoint::open(model, open_options));
  const uint32_t context = options.context != 0 ? options.context : schedule::default_context(checkpoint.config());
  return Job{std::move(checkpoint), target, std::move(config), context, kv_dtype, std::move(notes), std::move(probe)};
}

Result<schedule::Program> lower(const Job& job) {
  const schedule::ModelGraph graph = schedule::build_graph(job.checkpoint);
  return schedule::lower({&graph, job.target, job.config, job.context, job.kv_dtype});
}

Status refuse_schedule_options(const ScheduleOptions& options, const std::string& source) {
  if (!options.any()) return {};
  return Error{
      ErrorCode::kUsage,
      "expected no --gpu, --context, --rope-frequencies, --weights, --kv-dtype, --schedule or --set beside a program "
      "that is compiled",
      source, "compile the model again to change its schedule"};
}

Result<schedule::Program> read_program(const std::string& source, const ScheduleOptions& options,
                                       std::vector<std::string>& notes) {
  std::error_code ignored;
  const bool bundle = eval::is_bundle(source);
  if (bundle || std::filesystem::is_regular_file(source, ignored)) {
    AMK_TRY(refuse_schedule_options(options, source));
    const std::filesystem::path path(source);
    return read_program_file(bundle ? path / "program.json" : path);
  }
  AMK_ASSIGN_OR_RETURN(const Job job, prepare(source, options));
  notes.insert(notes.end(), job.notes.begin(), job.notes.end());
  return lower(job);
}

}  // namespace amk::cli
