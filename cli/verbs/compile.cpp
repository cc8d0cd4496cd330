// amk compile: evaluate, then write the bundle of what proved valid and correct.

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/files.h"
#include "cli/job.h"
#include "cli/progress.h"
#include "cli/verbs/verbs.h"
#include "cli/verdict_text.h"
#include "eval/bundle.h"
#include "eval/evaluate.h"
#include "eval/verdict_json.h"
#include "schedule/program_json.h"
#include "vm/cuda/kernel_build.h"
#include "vm/cuda/nvrtc.h"

namespace amk::cli {
namespace {

namespace fs = std::filesystem;

/// Writes `<directory>/<index>-<pass>.json` after every pass; remembers the first failure.
class PassWriter {
 public:
  explicit PassWriter(fs::path directory) : directory_(std::move(directory)) {}

  void write(std::string_view pass, const schedule::Program& program) {
    if (directory_.empty() || !status_) return;
    const fs::path path = directory_ / fmt::format("{:02}-{}.json", index_++, pass);
    status_ = write_file_atomic(path, schedule::program_to_json(program));
  }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  fs::path directory_;
  uint32_t index_ = 0;
  Status status_;
};

Status make_directory(const fs::path& path) {
  std::error_code problem;
  fs::create_directories(path, problem);
  if (!problem) return {};
  return Error{ErrorCode::kIo, fmt::format("expected to make the directory, found: {}", problem.message()),
               path.string(), ""};
}

/// The kernel as NVRTC makes it for the target, with or without a GPU; a note says why there is none.
std::optional<eval::BundleKernel> compile_kernel(const validator::ValidatedProgram& program,
                                                 const abi::TargetInfo& target, std::vector<std::string>& notes) {
  const auto compiled = [&]() -> Result<eval::BundleKernel> {
    AMK_ASSIGN_OR_RETURN(const std::string nvrtc, vm::cuda::nvrtc_version());
    AMK_ASSIGN_OR_RETURN(const vm::cuda::KernelSpec spec, vm::cuda::kernel_spec(program.program()));
    AMK_ASSIGN_OR_RETURN(vm::cuda::CompiledKernel kernel,
                         vm::cuda::compile_cached(vm::cuda::compile_request(spec, target.sm)));
    return eval::BundleKernel{std::move(kernel.cubin), target.sm, nvrtc};
  };
  Result<eval::BundleKernel> kernel = compiled();
  if (kernel) return std::move(*kernel);
  notes.push_back("no kernel.cubin in the bundle: " + kernel.error().text());
  return std::nullopt;
}

Json with_bundle(const eval::Verdict& verdict, const fs::path& bundle) {
  Json out = Json::parse(eval::verdict_to_json(verdict));
  out["bundle"] = bundle.empty() ? Json(nullptr) : Json(bundle.string());
  return out;
}

}  // namespace

Result<Exit> compile(const CompileOptions& options, Output& output) {
  AMK_TRY(check_device(options.run.device));
  AMK_ASSIGN_OR_RETURN(const Job job, prepare(options.model, options.schedule));
  if (!options.dump_passes.empty()) AMK_TRY(make_directory(options.dump_passes));
  AMK_ASSIGN_OR_RETURN(const Runner runner, choose_runner(options.run, options.schedule, job.target->name, job.probe));
  ThreadPool pool(options.run.threads);
  Progress progress(output);
  PassWriter passes(options.dump_passes);

  eval::EvaluateRequest request{&job.checkpoint,   job.target,   job.config, job.context,
                                options.positions, options.seed, {},         {}};
  request.kv_dtype = job.kv_dtype;
  request.machine = runner.machine;
  request.dump = [&](std::string_view pass, const schedule::Program& program) { passes.write(pass, program); };
  request.progress = [&](std::string_view step, uint32_t done, uint32_t of) { progress.step(step, done, of); };
  progress.step("lowering and validating");
  AMK_ASSIGN_OR_RETURN(eval::Evaluation evaluation, eval::evaluate(request, pool));
  AMK_TRY(passes.status());
  eval::Verdict& verdict = evaluation.verdict;
  verdict.notes.insert(verdict.notes.end(), job.notes.begin(), job.notes.end());
  verdict.notes.insert(verdict.notes.end(), runner.notes.begin(), runner.notes.end());

  fs::path bundle;
  const bool good = verdict.valid && verdict.correct;
  if (good) {
    progress.step("compiling the kernel");
    const std::optional<eval::BundleKernel> kernel = compile_kernel(*evaluation.program, *job.target, verdict.notes);
    progress.step("writing the bundle");
    AMK_TRY(make_directory(options.out));
    AMK_ASSIGN_OR_RETURN(bundle, eval::write_bundle(options.out, evaluation, job.checkpoint, kernel));
  }
  progress.stop();
  if (output.json()) output.document(with_bundle(verdict, bundle));
  output.text(verdict_text(verdict));
  output.text(good ? fmt::format("bundle     {}\n", bundle.string())
                   : std::string("no bundle: only a program that is valid and correct gets one\n"));
  return good ? Exit::kDone : Exit::kNegative;
}

}  // namespace amk::cli
