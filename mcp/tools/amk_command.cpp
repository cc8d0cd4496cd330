#include "mcp/tools/amk_command.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "ipc/child_process.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kLook{20};  ///< between two looks at whether the call is still wanted
constexpr size_t kDocumentBytesMax = 64U << 20U;
constexpr size_t kWordsOfStderr = 2000;

/// JSON Schema calls 1.0 an integer; a command line does not. Beyond 53 bits nobody means one.
Json with_integers(const Json& value) {
  constexpr double kIntegersMax = 9007199254740992.0;
  if (value.is_number_float()) {
    const double number = value.get<double>();
    return std::abs(number) < kIntegersMax && std::trunc(number) == number ? Json(static_cast<int64_t>(number)) : value;
  }
  Json out = value;
  if (out.is_structured()) {
    for (Json& part : out) part = with_integers(part);
  }
  return out;
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return to_line(with_integers(value));
  std::vector<std::string> parts;
  for (const Json& part : value) parts.push_back(text_of(part));
  return fmt::format("{}", fmt::join(parts, ","));
}

Status refuse_zero_bytes(const std::string& name, const std::string& text) {
  if (text.find('\0') == std::string::npos) return {};
  return Error{ErrorCode::kUsage, "expected a text without a zero byte, found one", name, "leave \\u0000 out"};
}

/// "max_tokens" of "--max-tokens": callers have arguments, not options. Other places are what they are.
std::string argument_of(std::string location) {
  if (!location.starts_with("--")) return location;
  location.erase(0, 2);
  std::ranges::replace(location, '-', '_');
  return location;
}

/// The end of what it said last, for people.
std::string last_words(const ipc::ChildProcess& child) {
  const std::string all = child.stderr_tail();
  return all.size() <= kWordsOfStderr ? all : all.substr(all.size() - kWordsOfStderr);
}

Error stopped(CallContext& context) {
  return {ErrorCode::kIo, context.stop() == Stop::kCancelled ? "the call was cancelled" : "the server is shutting down",
          "", "call the tool again"};
}

/// Reads what there is without waiting; false at the end.
bool drain(int fd, std::string& out) {
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got > 0) out.append(buffer.data(), static_cast<size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return false;
    if (got < 0 && errno == EAGAIN) return true;
  }
}

/// All that the child writes to stdout.
Result<std::string> read_document(ipc::ChildProcess& child, milliseconds deadline, CallContext& context) {
  const auto end = ipc::Clock::now() + deadline;
  std::string out;
  while (drain(child.stdout_fd(), out)) {
    if (context.stop() != Stop::kNo) return stopped(context);
    if (ipc::Clock::now() >= end) {
      return Error{ErrorCode::kIo, fmt::format("expected an answer within {} s, found none", deadline.count() / 1000),
                   "", "a smaller model or context takes less; amk_eval runs for as long as it takes"};
    }
    if (out.size() > kDocumentBytesMax) return Error{ErrorCode::kInternal, "amk writes without an end", "", ""};
    if (const std::string what = last_progress(child.stderr_tail()); !what.empty()) context.progress(what);
    pollfd wanted{child.stdout_fd(), POLLIN, 0};
    ::poll(&wanted, 1, static_cast<int>(kLook.count()));
  }
  return out;
}

double number_in(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_number() ? value.get<double>() : 0;
}

std::string text_at(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

/// "step 3/16, 2.0 a second, 6 s left"; or what amk says of rate and time itself.
std::string progress_words(const Json& progress) {
  const double done = number_in(progress, "done");
  const double of = number_in(progress, "of");
  const double seconds = number_in(progress, "seconds");
  std::string out = text_at(progress, "step");
  if (of > 0) out += fmt::format(" {:.0f}/{:.0f}", done, of);
  if (of == 0 && done > 0) out += fmt::format(" {:.0f}", done);
  if (const std::string detail = text_at(progress, "detail"); !detail.empty()) return out + ": " + detail;
  if (done > 0 && of > done && seconds >= 1)
    out += fmt::format(", {:.1f} a second, {:.0f} s left", done / seconds, (of - done) * seconds / done);
  return out;
}

}  // namespace

Result<std::string> amk_program() {
  if (const char* named = std::getenv("AMK_PROGRAM"); named != nullptr && *named != '\0') return std::string(named);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path() / "amk";
  if (fs::exists(program, error)) return program.string();
  return Error{ErrorCode::kIo, "expected the program amk here, found none", program.parent_path().string(),
               "build it with ./dev build, or let AMK_PROGRAM name it"};
}

Result<std::vector<std::string>> amk_command(std::string_view verb, const Json& arguments, const std::string& source,
                                             const std::vector<std::string>& not_options) {
  AMK_ASSIGN_OR_RETURN(const std::string program, amk_program());
  std::vector<std::string> out = {program, std::string(verb), "--json", "--progress-lines"};
  for (const auto& [name, value] : arguments.items()) {
    if (name == source || std::ranges::count(not_options, name) > 0 || value.is_null() || value == false) continue;
    std::string option = name;
    std::ranges::replace(option, '_', '-');
    const std::string text = text_of(value);
    AMK_TRY(refuse_zero_bytes(name, text));
    out.push_back(value.is_boolean() ? "--" + option : fmt::format("--{}={}", option, text));
  }
  if (source.empty()) return out;
  const std::string text = text_of(member(arguments, source.c_str()));
  AMK_TRY(refuse_zero_bytes(source, text));
  out.insert(out.end(), {"--", text});
  return out;
}

Result<Json> run_amk(const std::vector<std::string>& command, milliseconds deadline, CallContext& context) {
  AMK_ASSIGN_OR_RETURN(ipc::ChildProcess child, ipc::ChildProcess::start(command));
  child.close_stdin();
  AMK_ASSIGN_OR_RETURN(const std::string text, read_document(child, deadline, context));
  const std::optional<ipc::ExitStatus> status = child.wait(ipc::Clock::now() + std::chrono::seconds(5));
  const Result<Json> document = parse_json(text);
  if (!document) {
    return Error{ErrorCode::kInternal,
                 fmt::format("expected a JSON document from amk {}, found none: {}", command[1],
                             status ? status->text() : "it does not end"),
                 "", last_words(child)};
  }
  if (std::optional<Error> error = error_in(*document)) return *error;
  return *document;
}

std::optional<Error> error_in(const Json& document) {
  const Json& error = member(document, "error");
  if (!error.is_object()) return std::nullopt;
  const auto text = [&](const char* key) {
    const Json& value = member(error, key);
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  const std::string code = text("code");
  Error out{ErrorCode::kInternal, text("message"), argument_of(text("location")), text("hint")};
  for (const ErrorCode known : {ErrorCode::kUsage, ErrorCode::kUnsupported, ErrorCode::kBadInput, ErrorCode::kIo}) {
    if (code == error_code_name(known)) out.code = known;
  }
  return out;
}

std::string last_progress(std::string_view stderr_text) {
  constexpr std::string_view kStart = "{\"progress\":";
  while (true) {
    const size_t at = stderr_text.rfind(kStart);
    if (at == std::string_view::npos) return "";
    const size_t end = stderr_text.find('\n', at);
    const Result<Json> line = end == std::string_view::npos ? Error{} : parse_json(stderr_text.substr(at, end - at));
    stderr_text = stderr_text.substr(0, at);
    if (!line) continue;  // still being written
    return progress_words(member(*line, "progress"));
  }
}

}  // namespace amk::mcp
