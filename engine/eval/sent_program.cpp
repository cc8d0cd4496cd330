#include "eval/sent_program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "schedule/program_json.h"

namespace amk::eval {
namespace {

namespace fs = std::filesystem;
using ipc::Json;

/// An empty file of this process alone.
Result<std::string> make_file() {
  std::error_code problem;
  fs::path directory = fs::temp_directory_path(problem);
  if (problem) directory = ".";
  std::string path = (directory / "amk-program.XXXXXX").string();
  const int file = ::mkstemp(path.data());
  if (file < 0) {
    return Error{ErrorCode::kIo, fmt::format("expected to create a file, found: {}", std::strerror(errno)), path, ""};
  }
  ::close(file);
  return path;
}

Json model_of(const model::Checkpoint& checkpoint) {
  const bool stored = checkpoint.config().rope.frequency_dtype != abi::Dtype::kF32;
  // A directory of the name of a built-in model is not it: an absolute path never is.
  const std::string source =
      checkpoint.directory().empty() ? checkpoint.source() : fs::absolute(checkpoint.directory()).string();
  return {{"source", source},
          {"rope_frequencies", stored ? "stored" : "float32"},
          {"weights", model::weight_format_name(checkpoint.weight_format())}};
}

}  // namespace

Result<SentProgram> SentProgram::create(const validator::ValidatedProgram& program,
                                        const model::Checkpoint& checkpoint) {
  AMK_ASSIGN_OR_RETURN(const std::string path, make_file());
  SentProgram out(path, {{"program", path}, {"model", model_of(checkpoint)}});
  AMK_TRY(write_file_atomic(path, schedule::program_to_json(program.program())));
  return out;
}

SentProgram::SentProgram(SentProgram&& other) noexcept
    : path_(std::exchange(other.path_, {})), parameters_(std::move(other.parameters_)) {}

SentProgram::~SentProgram() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove(path_, ignored);
}

}  // namespace amk::eval
