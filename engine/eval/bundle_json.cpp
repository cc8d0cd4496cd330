#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/sha256.h"
#include "eval/bundle.h"
#include "eval/program_report.h"
#include "eval/verdict_json.h"
#include "model/json_reader.h"
#include "model/synthetic_name.h"
#include "schedule/program_json.h"
#include "schedule/schedule_config_json.h"
#include "schedule/target.h"

namespace amk::eval {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr uint64_t kBundleVersion = 1;
constexpr uint64_t kManifestBytesMax = 16 << 20;
constexpr uint64_t kProgramBytesMax = 4ULL << 30;

constexpr const char* kProgramFile = "program.json";
constexpr const char* kKernelFile = "kernel.cubin";

struct HashedFile {
  uint64_t size = 0;
  std::string sha256;
};
using HashedFiles = std::map<std::string, HashedFile>;  // by file name

Result<HashedFile> hash_file(const fs::path& path) {
  AMK_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  return HashedFile{file.bytes().size(), sha256_hex(file.bytes())};
}

/// The model's files on which what the program computes depends: configs, tokenizer, weights.
Result<HashedFiles> hash_model(const model::Checkpoint& checkpoint) {
  HashedFiles files;
  if (checkpoint.directory().empty()) return files;
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json"}) {
    if (!fs::exists(checkpoint.directory() / name)) continue;
    AMK_ASSIGN_OR_RETURN(files[name], hash_file(checkpoint.directory() / name));
  }
  for (const model::WeightFile& weights : checkpoint.weight_files()) {
    AMK_ASSIGN_OR_RETURN(files[weights.path.filename().string()], hash_file(weights.path));
  }
  return files;
}

OrderedJson to_json(const HashedFiles& files) {
  OrderedJson out = OrderedJson::object();
  for (const auto& [name, file] : files) out[name] = {{"size", file.size}, {"sha256", file.sha256}};
  return out;
}

// ---- writing
// ----------------------------------------------------------------------------------------------------------

/// As the option of the command line says it.
const char* precision_name(const model::Checkpoint& checkpoint) {
  return checkpoint.config().rope.frequency_dtype == abi::Dtype::kF32 ? "float32" : "stored";
}

std::string manifest(const Evaluation& evaluation, const model::Checkpoint& checkpoint, const HashedFiles& bundle_files,
                     const HashedFiles& model_files, const std::optional<BundleKernel>& compiled,
                     const fs::path& final_place) {
  OrderedJson where = {{"source", checkpoint.source()},
                       {"rope_frequencies", precision_name(checkpoint)},
                       {"weights", model::weight_format_name(checkpoint.weight_format())}};
  if (!checkpoint.directory().empty()) {
    const fs::path absolute = fs::absolute(checkpoint.directory()).lexically_normal();
    where["directory"] = absolute.string();
    where["relative"] = absolute.lexically_relative(fs::absolute(final_place).lexically_normal()).string();
  }
  where["files"] = to_json(model_files);
  OrderedJson kernel = nullptr;
  if (compiled) kernel = {{"file", kKernelFile}, {"sm", compiled->sm}, {"nvrtc", compiled->nvrtc}};
  const OrderedJson out = {{"bundle_version", kBundleVersion},
                           {"amk_version", AMK_VERSION},
                           {"ir_version", schedule::kIrVersion},
                           {"target", evaluation.verdict.gpu},
                           {"schedule_id", evaluation.verdict.schedule_id},
                           {"measured", evaluation.verdict.latency_kind == LatencyKind::kMeasuredGpu},
                           {"kernel", std::move(kernel)},
                           {"files", to_json(bundle_files)},
                           {"model", std::move(where)}};
  return out.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

/// Removes a half-written directory unless it was released.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> create(const fs::path& beside) {
    std::string path = beside.string() + ".tmp.XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
      return Error{ErrorCode::kIo, fmt::format("cannot create a temporary directory: {}", std::strerror(errno)), path,
                   ""};
    }
    std::error_code ignored;  // a bundle that only its owner can read is still a bundle
    fs::permissions(path,
                    fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec | fs::perms::others_read |
                        fs::perms::others_exec,
                    ignored);
    return TemporaryDirectory(path);
  }
  explicit TemporaryDirectory(fs::path path) : path_(std::move(path)) {}
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }
  void release() { path_.clear(); }

 private:
  fs::path path_;
};

Result<HashedFiles> write_contents(const fs::path& directory, const Evaluation& evaluation,
                                   const std::optional<BundleKernel>& kernel) {
  const schedule::Program& program = evaluation.program->program();
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, schedule::find_target(program.target));
  const ProgramSummary summary = summarize(program, *target, evaluation.verdict.latency_position);
  std::map<std::string, std::string> contents = {
      {kProgramFile, schedule::program_to_json(program)},
      {"config.json", schedule::config_to_json(program.config) + "\n"},
      {"verdict.json", verdict_to_json(evaluation.verdict)},
      {"report.md", report_markdown(evaluation.verdict, program, summary)},
  };
  if (kernel) contents[kKernelFile].assign(reinterpret_cast<const char*>(kernel->cubin.data()), kernel->cubin.size());
  HashedFiles files;
  for (const auto& [name, text] : contents) {
    AMK_TRY(write_file_atomic(directory / name, text));
    files[name] = {text.size(), sha256_hex(text)};
  }
  return files;
}

// ---- reading
// ----------------------------------------------------------------------------------------------------------

struct Manifest {
  HashedFiles files;
  HashedFiles model_files;
  std::string source;
  model::OpenOptions options;
  fs::path directory;
  fs::path relative;
};

Result<HashedFiles> read_files(model::JsonObject& parent, std::string_view key) {
  AMK_ASSIGN_OR_RETURN(model::JsonObject entries, parent.object(key));
  HashedFiles files;
  for (const std::string& name : entries.unread()) {
    if (name.empty() || name.find('/') != std::string::npos || name.starts_with("..")) {
      return Error{ErrorCode::kBadInput, fmt::format("expected plain file names, found '{}'", model::printable(name)),
                   parent.location(), ""};
    }
    AMK_ASSIGN_OR_RETURN(model::JsonObject file, entries.object(name));
    HashedFile& out = files[name];
    AMK_ASSIGN_OR_RETURN(out.size, file.integer("size", 0, UINT64_MAX));
    AMK_ASSIGN_OR_RETURN(out.sha256, file.string("sha256"));
  }
  return files;
}

Result<Manifest> read_manifest(const fs::path& bundle) {
  const std::string location = (bundle / "manifest.json").string();
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(location, kManifestBytesMax));
  AMK_ASSIGN_OR_RETURN(const model::Json root, model::parse_json(text, location));
  AMK_ASSIGN_OR_RETURN(model::JsonObject object, model::JsonObject::create(root, location, ""));
  AMK_TRY(object.integer("bundle_version", kBundleVersion, kBundleVersion));
  AMK_TRY(object.integer("ir_version", schedule::kIrVersion, schedule::kIrVersion));
  Manifest manifest;
  AMK_ASSIGN_OR_RETURN(manifest.files, read_files(object, "files"));
  if (!manifest.files.contains(kProgramFile)) {
    return object.refusal(ErrorCode::kBadInput, "files", fmt::format("an entry for {}", kProgramFile));
  }
  AMK_ASSIGN_OR_RETURN(model::JsonObject model, object.object("model"));
  AMK_ASSIGN_OR_RETURN(manifest.model_files, read_files(model, "files"));
  AMK_ASSIGN_OR_RETURN(manifest.source, model.string("source"));
  AMK_ASSIGN_OR_RETURN(const std::string precision, model.string("rope_frequencies"));
  if (precision == "stored") {
    manifest.options.rope_frequencies = model::RopePrecision::kStored;
  } else if (precision != "float32") {
    return model.refusal(ErrorCode::kBadInput, "rope_frequencies", "\"float32\" or \"stored\"");
  }
  AMK_ASSIGN_OR_RETURN(const std::string weights, model.string("weights"));
  Result<model::WeightFormat> format = model::parse_weight_format(weights);
  if (!format) return model.refusal(ErrorCode::kBadInput, "weights", "\"stored\" or what weights are quantised to");
  manifest.options.weights = *format;
  if (!model.has("directory")) return manifest;
  AMK_ASSIGN_OR_RETURN(std::string directory, model.string("directory"));
  AMK_ASSIGN_OR_RETURN(std::string relative, model.string("relative"));
  manifest.directory = std::move(directory);
  manifest.relative = std::move(relative);
  return manifest;
}

Status check_hashes(const fs::path& directory, const HashedFiles& files, const char* what) {
  for (const auto& [name, expected] : files) {
    AMK_ASSIGN_OR_RETURN(const HashedFile found, hash_file(directory / name));
    if (found.size == expected.size && found.sha256 == expected.sha256) continue;
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected {} bytes with SHA-256 {}, found {} with {}", expected.size, expected.sha256,
                             found.size, found.sha256),
                 (directory / name).string(),
                 fmt::format("{} changed since the bundle was written: compile it again", what)};
  }
  return {};
}

/// The directory to open the model from, its files held against the manifest; or the built-in's name.
Result<std::string> find_model(const fs::path& bundle, const Manifest& manifest, const fs::path& weights) {
  std::error_code ignored;  // of a path that cannot be: then there is no directory
  if (manifest.directory.empty()) {
    // A built-in name wins over a directory of that name; any other source would be files without hashes.
    if (!model::is_synthetic_shape(manifest.source) && !std::ranges::count(model::builtin_models(), manifest.source)) {
      return Error{ErrorCode::kBadInput,
                   fmt::format("expected a built-in model where no directory is given, found '{}'",
                               model::printable(manifest.source)),
                   bundle.string(), ""};
    }
    if (weights.empty()) return manifest.source;
    return Error{ErrorCode::kUsage, fmt::format("expected no directory for the built-in model {}", manifest.source),
                 weights.string(), ""};
  }
  fs::path place = weights;
  if (place.empty())
    place = fs::is_directory(manifest.directory, ignored) ? manifest.directory
                                                          : (bundle / manifest.relative).lexically_normal();
  if (!fs::is_directory(place, ignored)) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected the model's directory at {} or {}, found neither", manifest.directory.string(),
                             place.string()),
                 bundle.string(), "say where the model is now with --model-dir DIR"};
  }
  AMK_TRY(check_hashes(place, manifest.model_files, "the model"));
  return fs::absolute(place).string();
}

/// Every weight of the program is of the type that the manifest's way of reading the model gives it.
Status check_weights(const schedule::Program& program, const model::Checkpoint& checkpoint,
                     const std::string& location) {
  std::map<std::string, abi::Dtype> dtypes;
  for (const model::TensorSpec& spec : model::expected_tensors(checkpoint.config())) {
    dtypes.emplace(spec.name, checkpoint.dtype_of(spec.name));
  }
  for (const schedule::Buffer& buffer : program.buffers) {
    const auto found = dtypes.find(buffer.source);
    if (buffer.kind != abi::BufferKind::kWeight || found == dtypes.end() || found->second == buffer.shape.dtype)
      continue;
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected '{}' of {}, as the manifest's weights are {}, found {}", buffer.source,
                             abi::dtype_name(found->second), model::weight_format_name(checkpoint.weight_format()),
                             abi::dtype_name(buffer.shape.dtype)),
                 location, ""};
  }
  return {};
}

}  // namespace

Result<fs::path> write_bundle(const fs::path& out, const Evaluation& evaluation, const model::Checkpoint& checkpoint,
                              const std::optional<BundleKernel>& kernel) {
  if (!evaluation.program) return Error{ErrorCode::kUsage, "expected an accepted program to bundle", "", ""};
  std::error_code failed;
  fs::create_directories(out, failed);
  if (failed)
    return Error{ErrorCode::kIo, fmt::format("cannot create the directory: {}", failed.message()), out.string(), ""};
  const fs::path place = out / fmt::format("{}.{}.amk", evaluation.verdict.model, evaluation.verdict.gpu);
  if (fs::exists(place, failed) && !is_bundle(place)) {
    return Error{ErrorCode::kUsage, "expected a bundle or nothing in this place, found something else", place.string(),
                 "choose another --out"};
  }
  AMK_ASSIGN_OR_RETURN(const HashedFiles model_files, hash_model(checkpoint));
  AMK_ASSIGN_OR_RETURN(TemporaryDirectory temporary, TemporaryDirectory::create(place));
  AMK_ASSIGN_OR_RETURN(const HashedFiles files, write_contents(temporary.path(), evaluation, kernel));
  AMK_TRY(write_file_atomic(temporary.path() / "manifest.json",
                            manifest(evaluation, checkpoint, files, model_files, kernel, place)));
  AMK_TRY(replace_directory(temporary.path(), place));
  temporary.release();
  return place;
}

bool is_bundle(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) && fs::exists(path / "manifest.json", ignored);
}

Result<OpenBundle> open_bundle(const fs::path& path, const fs::path& weights) {
  AMK_ASSIGN_OR_RETURN(const Manifest manifest, read_manifest(path));
  AMK_TRY(check_hashes(path, manifest.files, "the bundle"));
  AMK_ASSIGN_OR_RETURN(const std::string model, find_model(path, manifest, weights));
  AMK_ASSIGN_OR_RETURN(model::Checkpoint checkpoint, model::Checkpoint::open(model, manifest.options));
  for (const model::WeightFile& file : checkpoint.weight_files()) {
    const std::string name = file.path.filename().string();
    if (manifest.model_files.contains(name)) continue;
    return Error{ErrorCode::kBadInput, fmt::format("expected a hash of the model's {}, found none", name),
                 (path / "manifest.json").string(), ""};
  }
  const std::string program_path = (path / kProgramFile).string();
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(program_path, kProgramBytesMax));
  AMK_ASSIGN_OR_RETURN(schedule::Program program, schedule::program_from_json(text, program_path));
  validator::Validation validation = validator::validate(std::move(program));
  if (!validation.validated) {
    const std::string first = validation.findings.empty()
                                  ? "it could not be proven"
                                  : validator::describe(validation.findings.front(), *validation.program);
    return Error{ErrorCode::kBadInput, fmt::format("expected a program that the validator accepts: {}", first),
                 program_path, ""};
  }
  AMK_TRY(check_weights(validation.validated->program(), checkpoint, program_path));
  return OpenBundle{std::move(checkpoint), *validation.validated};
}

}  // namespace amk::eval
