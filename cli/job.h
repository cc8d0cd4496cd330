// From options to what the engine takes: checkpoint, target, schedule, context.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "abi/tables.h"
#include "base/result.h"
#include "cli/gpu_probe.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "eval/machine.h"
#include "eval/measurement.h"
#include "model/checkpoint.h"
#include "schedule/program.h"
#include "schedule/schedule_config.h"
#include "validator/validator.h"

namespace amk::cli {

/// A model and the schedule it is compiled by.
struct Job {
  model::Checkpoint checkpoint;
  const abi::TargetInfo* target = nullptr;
  schedule::ScheduleConfig config;
  uint32_t context = 0;
  abi::Dtype kv_dtype = abi::Dtype::kF32;  ///< what the KV caches hold
  std::vector<std::string> notes;          ///< what "auto" came to
  std::optional<GpuProbe> probe;           ///< where "auto" had to look
};

/// kUsage for unknown targets and knobs; otherwise as Checkpoint::open(). Where "auto" has to look for a GPU, it is by
/// a worker that `launch` starts.
Result<Job> prepare(const std::string& model, const ScheduleOptions& options, const std::string& launch = "");

/// What measures a job: the worker and this machine's GPU that the program is for, or its first one. kUnsupported, with
/// what to do, where there is none.
struct MeasuringGpu {
  GpuProbe probe;  ///< owns the worker
  int ordinal = 0;
  /// With progress shown on a terminal; neither may outlive what it is of.
  [[nodiscard]] eval::Measurer measurer(const RunOptions& options, Progress& progress) const;
};
Result<MeasuringGpu> find_gpu(const Job& job);

/// The program of a job, not yet validated.
Result<schedule::Program> lower(const Job& job);

/// What runs a program.
struct Runner {
  eval::MachineFactory machine;               ///< empty: the CPU
  std::vector<std::string> notes;             ///< where this machine's GPU is another than the program's
  std::shared_ptr<ipc::WorkerClient> worker;  ///< that the machines are in; null: the CPU
  int ordinal = 0;                            ///< of the GPU there
};

/// --device for a program of `target`: "cpu"; "cuda", kUnsupported where there is no such GPU; "" or "auto", the GPU
/// where there is one and --gpu is not "none". kUsage for anything else. `probe` is asked for where it is empty.
Result<Runner> choose_runner(const RunOptions& options, const ScheduleOptions& schedule, const std::string& target,
                             std::optional<GpuProbe> probe);

/// kUsage where --device is none of its names.
Status check_device(const std::string& device);

/// What `inspect` and `validate` can be given: a model (lowered by the options), a bundle or a file. Programs of
/// bundles and files are read, not trusted; schedule options beside them are kUsage.
Result<schedule::Program> read_program(const std::string& source, const ScheduleOptions& options,
                                       std::vector<std::string>& notes);

/// kUsage when a schedule is asked for beside a program that has one.
Status refuse_schedule_options(const ScheduleOptions& options, const std::string& source);

}  // namespace amk::cli
