// amk generate: continue a prompt by a program, from a bundle or compiled on the way.

#include "eval/generate.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/files.h"
#include "cli/job.h"
#include "cli/progress.h"
#include "cli/verbs/verbs.h"
#include "cli/verdict_text.h"
#include "eval/bundle.h"
#include "eval/evaluate.h"
#include "model/safetensors.h"
#include "model/tokenizer.h"

namespace amk::cli {
namespace {

constexpr uint64_t kPromptBytesMax = 16ULL << 20;

/// What generates, and how its tokens are read.
struct Writer {
  model::Checkpoint checkpoint;
  validator::ValidatedProgram program;
  std::optional<model::Tokenizer> tokenizer;
  std::vector<std::string> notes;
  std::optional<GpuProbe> probe;  ///< where "--gpu auto" had to look
};

/// `verdict` is set, and nothing returned, when the validator did not accept the program of a model and its schedule.
Result<std::optional<Writer>> open_writer(const GenerateOptions& options, eval::Verdict& verdict) {
  if (eval::is_bundle(options.source)) {
    AMK_TRY(refuse_schedule_options(options.schedule, options.source));
    AMK_ASSIGN_OR_RETURN(eval::OpenBundle bundle, eval::open_bundle(options.source, options.model_dir));
    return std::optional<Writer>({std::move(bundle.checkpoint), std::move(bundle.program), {}, {}, {}});
  }
  if (!options.model_dir.empty()) {
    return Error{ErrorCode::kUsage, "expected --model-dir beside a bundle, found it beside a model", options.source,
                 ""};
  }
  AMK_ASSIGN_OR_RETURN(Job job, prepare(options.source, options.schedule));
  AMK_ASSIGN_OR_RETURN(schedule::Program program, lower(job));
  const validator::Validation validation = validator::validate(std::move(program));
  verdict = eval::verdict_of(validation);
  if (!validation.validated) return std::optional<Writer>();
  return std::optional<Writer>(
      {std::move(job.checkpoint), *validation.validated, {}, std::move(job.notes), std::move(job.probe)});
}

/// The model's tokenizer where it has one. One that is not modelled matters only where text must become tokens.
Status open_tokenizer(Writer& writer, bool needed) {
  const std::filesystem::path& directory = writer.checkpoint.directory();
  std::error_code ignored;
  if (directory.empty() || !std::filesystem::exists(directory / "tokenizer.json", ignored)) {
    if (!needed) return {};
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a model with a tokenizer.json, found none in {}", writer.checkpoint.source()),
                 "", "give token ids with --prompt-ids"};
  }
  Result<model::Tokenizer> tokenizer = model::Tokenizer::open(directory);
  if (tokenizer) {
    writer.tokenizer = std::move(*tokenizer);
    return {};
  }
  if (needed || tokenizer.error().code != ErrorCode::kUnsupported) return tokenizer.error();
  writer.notes.push_back(fmt::format("no text: {}", tokenizer.error().text()));
  return {};
}

// ---- the prompt -----------------------------------------------------------------------------------------------------

Result<std::vector<uint32_t>> parse_ids(std::string_view text) {
  std::vector<uint32_t> ids;
  while (true) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    uint32_t id = 0;
    const auto [stop, problem] = std::from_chars(part.data(), part.data() + part.size(), id);
    if (problem != std::errc() || stop != part.data() + part.size()) {
      return Error{ErrorCode::kUsage, fmt::format("expected token ids with commas between them, found '{}'", part),
                   "--prompt-ids", "for example --prompt-ids 836,27"};
    }
    ids.push_back(id);
    if (comma == text.size()) return ids;
    text.remove_prefix(comma + 1);
  }
}

Result<std::string> read_standard_input() {
  std::string text;
  std::array<char, 65536> block{};
  while (const size_t got = std::fread(block.data(), 1, block.size(), stdin)) {
    text.append(block.data(), got);
    if (text.size() > kPromptBytesMax) {
      return Error{ErrorCode::kBadInput, fmt::format("expected at most {} bytes, found more", kPromptBytesMax),
                   "standard input", ""};
    }
  }
  if (std::ferror(stdin) != 0)
    return Error{ErrorCode::kIo, "expected a prompt, found that it cannot be read", "standard input", ""};
  return text;
}

Result<std::string> prompt_text(const GenerateOptions& options) {
  if (options.prompt) return *options.prompt;
  if (*options.prompt_file == "-") return read_standard_input();
  return read_file(*options.prompt_file, kPromptBytesMax);
}

Status check_prompt_options(const GenerateOptions& options) {
  const int given = (options.prompt ? 1 : 0) + (options.prompt_ids ? 1 : 0) + (options.prompt_file ? 1 : 0);
  if (given == 1) return {};
  return Error{ErrorCode::kUsage,
               fmt::format("expected one of --prompt, --prompt-ids and --prompt-file, found {}",
                           given == 0 ? "none" : "several"),
               "", "for example --prompt ROMEO:"};
}

Result<std::vector<uint32_t>> prompt_ids(const GenerateOptions& options, const Writer& writer) {
  if (options.prompt_ids) return parse_ids(*options.prompt_ids);
  AMK_ASSIGN_OR_RETURN(const std::string text, prompt_text(options));
  AMK_ASSIGN_OR_RETURN(std::vector<uint32_t> ids, writer.tokenizer->encode(text, !options.no_special_tokens));
  if (ids.empty()) ids = writer.checkpoint.config().bos_ids;
  if (!ids.empty()) return ids;
  return Error{ErrorCode::kUsage, "expected a prompt of at least one token, found an empty one", "",
               "the model has no token that starts a text"};
}

// ---- what comes out -------------------------------------------------------------------------------------------------

/// Prints tokens as they are chosen: as text where there is a tokenizer, else as ids.
class Streamer {
 public:
  Streamer(const Writer& writer, Output& output, Progress& progress) : output_(output), progress_(progress) {
    if (writer.tokenizer) decoder_.emplace(*writer.tokenizer, true);
  }

  void push(uint32_t token) {
    if (output_.json()) return;
    progress_.stop();
    if (!decoder_) return print(fmt::format("{}{}", first_ ? "" : ",", token));
    Result<std::string> piece = decoder_->push(token);
    // A model may have more rows than its tokenizer has tokens; such a token has no text.
    print(piece ? *piece : "\xEF\xBF\xBD");
  }

  void finish() {
    if (decoder_) print(decoder_->finish());
    print("\n");
  }

 private:
  /// Nobody reads on where stdout is closed or full: generation ends here.
  void print(const std::string& text) {
    first_ = false;
    if (output_.stream(text)) return;
    output_.error(output_.finish().error());
    std::_Exit(static_cast<int>(Exit::kInput));
  }

  Output& output_;
  Progress& progress_;
  std::optional<model::StreamDecoder> decoder_;
  bool first_ = true;
};

Status save_logits(const std::string& path, const eval::Generation& generation, size_t positions, size_t vocab) {
  const std::vector<float>& logits = generation.prompt_logits;
  const std::map<std::string, model::TensorView> tensors = {
      {"logits", {abi::Dtype::kF32, {positions, vocab}, std::as_bytes(std::span(logits))}}};
  return write_file_atomic(path, model::write_safetensors(tensors));
}

Json to_json(const std::optional<eval::Agreement>& agreement) {
  if (!agreement) return nullptr;
  return {{"agrees", agreement->agrees()},
          {"positions", agreement->positions},
          {"max_abs_err", json_number(agreement->max_abs_err)},
          {"tolerance", json_number(agreement->tolerance)},
          {"different_tokens", agreement->different_tokens}};
}

Json to_json(const Writer& writer, const std::vector<uint32_t>& prompt, const eval::Generation& generation,
             const std::string& device) {
  Json text = nullptr;
  if (writer.tokenizer) {
    std::string joined;
    model::StreamDecoder decoder(*writer.tokenizer, true);
    for (const uint32_t token : generation.tokens) {
      Result<std::string> piece = decoder.push(token);
      joined += piece ? *piece : "\xEF\xBF\xBD";
    }
    text = joined + decoder.finish();
  }
  return {{"prompt_ids", prompt},
          {"generated_ids", generation.tokens},
          {"text", std::move(text)},
          {"stop_reason", eval::stop_reason_name(generation.stop_reason)},
          {"tokens_per_second", json_number(generation.tokens_per_second())},
          {"verified", to_json(generation.agreement)},
          {"schedule_id", writer.program->meta.schedule_id},
          {"model", writer.checkpoint.name()},
          {"gpu", writer.program->target},
          {"device", device},
          {"notes", writer.notes}};
}

void add_summary(const eval::Generation& generation, const std::string& device, Output& output) {
  output.note(fmt::format("{} tokens ({}), {:.1f} tokens/s measured on {}", generation.tokens.size(),
                          eval::stop_reason_name(generation.stop_reason), generation.tokens_per_second(),
                          device == "cpu" ? "the CPU" : device));
  if (!generation.agreement) return;
  const eval::Agreement& found = *generation.agreement;
  output.note(fmt::format(
      "verified: {}: {} positions, largest difference from the oracle {:.3g} (allowed {:.3g}), {} other choices",
      found.agrees() ? "agrees" : "DIFFERS", found.positions, found.max_abs_err, found.tolerance,
      found.different_tokens));
}

eval::GenerateRequest request_of(const GenerateOptions& options, const Writer& writer, std::vector<uint32_t> prompt) {
  eval::GenerateRequest request;
  request.checkpoint = &writer.checkpoint;
  request.program = &writer.program;
  request.prompt = std::move(prompt);
  request.max_tokens = options.max_tokens;
  request.sampling = {options.temperature, options.top_k, options.top_p, options.seed};
  if (!options.ignore_eos) request.stop_ids = writer.checkpoint.config().eos_ids;
  request.verify = options.verify;
  request.keep_prompt_logits = !options.logits_file.empty();
  return request;
}

}  // namespace

Result<Exit> generate(const GenerateOptions& options, Output& output) {
  AMK_TRY(check_device(options.run.device));
  AMK_TRY(check_prompt_options(options));
  Progress progress(output);
  progress.step("opening the program");
  eval::Verdict verdict;
  AMK_ASSIGN_OR_RETURN(std::optional<Writer> opened, open_writer(options, verdict));
  if (!opened) {
    progress.stop();
    return report_refusal(verdict, output);
  }
  Writer& writer = *opened;
  AMK_TRY(open_tokenizer(writer, !options.prompt_ids));
  AMK_ASSIGN_OR_RETURN(const std::vector<uint32_t> prompt, prompt_ids(options, writer));

  AMK_ASSIGN_OR_RETURN(const Runner runner,
                       choose_runner(options.run, options.schedule, writer.program->target, writer.probe));
  writer.notes.insert(writer.notes.end(), runner.notes.begin(), runner.notes.end());
  ThreadPool pool(options.run.threads);
  progress.step("loading the program");
  AMK_ASSIGN_OR_RETURN(const std::unique_ptr<eval::Machine> machine,
                       eval::make_machine(runner.machine, writer.program, writer.checkpoint, pool));
  Streamer streamer(writer, output, progress);
  eval::GenerateRequest request = request_of(options, writer, prompt);
  request.machine = machine.get();
  request.on_token = [&](uint32_t token) { streamer.push(token); };
  progress.step("reading the prompt");
  AMK_ASSIGN_OR_RETURN(const eval::Generation generation, eval::generate(request, pool));
  progress.stop();
  if (!output.json()) streamer.finish();
  if (!options.logits_file.empty()) {
    AMK_TRY(save_logits(options.logits_file, generation, prompt.size(), writer.checkpoint.config().vocab_size));
  }
  if (output.json()) output.document(to_json(writer, prompt, generation, machine->device()));
  for (const std::string& note : writer.notes) output.note(note);
  add_summary(generation, machine->device(), output);
  return generation.agreement && !generation.agreement->agrees() ? Exit::kNegative : Exit::kDone;
}

}  // namespace amk::cli
