// From options to what the engine takes: checkpoint, target, schedule, context.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "abi/tables.h"
#include "base/result.h"
#include "cli/options.h"
#include "model/checkpoint.h"
#include "schedule/program.h"
#include "schedule/schedule_config.h"
#include "validator/validator.h"
#include "vm/cuda/driver.h"

namespace amk::cli {

/// A model and the schedule it is compiled by.
struct Job {
  model::Checkpoint checkpoint;
  const abi::TargetInfo* target = nullptr;
  schedule::ScheduleConfig config;
  uint32_t context = 0;
  abi::Dtype kv_dtype = abi::Dtype::kF32;  ///< what the KV caches hold
  std::vector<std::string> notes;          ///< what "auto" came to
};

/// kUsage for unknown targets and knobs; otherwise as Checkpoint::open().
Result<Job> prepare(const std::string& model, const ScheduleOptions& options);

/// This machine's first GPU. kUnsupported, with what to do, where there is none.
Result<vm::cuda::Device> open_gpu();

/// The program of a job, not yet validated.
Result<schedule::Program> lower(const Job& job);

/// --device: accepts "", "auto" and "cpu". kUnsupported for "cuda", kUsage for anything else.
Status check_device(const std::string& device);

/// What `inspect` and `validate` can be given: a model (lowered by the options), a bundle or a file. Programs of
/// bundles and files are read, not trusted; schedule options beside them are kUsage.
Result<schedule::Program> read_program(const std::string& source, const ScheduleOptions& options,
                                       std::vector<std::string>& notes);

/// kUsage when a schedule is asked for beside a program that has one.
Status refuse_schedule_options(const ScheduleOptions& options, const std::string& source);

}  // namespace amk::cli
