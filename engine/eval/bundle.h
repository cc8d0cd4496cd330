// A bundle: a compiled, verified program as a directory that can be run later and elsewhere.
//
// <out>/<model>.<gpu>.amk/ holds program.json (the IR), config.json (the schedule), verdict.json, report.md,
// kernel.cubin (the megakernel, where there was an NVRTC) and manifest.json (versions, hashes of those files and of the
// model's files, where the weights are). Weights stay where they are. Opening checks every hash: a bundle that was
// changed, or whose weights were, is refused. The program is validated anew, so a bundle is never trusted.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/evaluate.h"
#include "model/checkpoint.h"
#include "validator/validator.h"

namespace amk::eval {

/// The megakernel of a program, compiled for an architecture.
struct BundleKernel {
  std::vector<std::byte> cubin;
  uint32_t sm = 0;    ///< compute capability x 10
  std::string nvrtc;  ///< version of the compiler
};

/// Writes the bundle of an evaluation under `out` and returns its directory. All of it or nothing; an older bundle of
/// the same name is replaced in one step. kUsage when the evaluation has no accepted program.
Result<std::filesystem::path> write_bundle(const std::filesystem::path& out, const Evaluation& evaluation,
                                           const model::Checkpoint& checkpoint,
                                           const std::optional<BundleKernel>& kernel = std::nullopt);

/// A bundle that was opened: its checkpoint found and checked, its program validated.
struct OpenBundle {
  model::Checkpoint checkpoint;
  validator::ValidatedProgram program;
};

/// Whether the path looks like a bundle: a directory with a manifest.json.
[[nodiscard]] bool is_bundle(const std::filesystem::path& path);

/// Opens a bundle. `weights` says where the model's directory is now; empty takes the manifest's place, absolute or,
/// where that is gone, relative to the bundle. kBadInput: a hash, a version or the program differs from what the
/// manifest or the validator wants.
Result<OpenBundle> open_bundle(const std::filesystem::path& path, const std::filesystem::path& weights);

}  // namespace amk::eval
