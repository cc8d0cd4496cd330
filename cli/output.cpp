#include "cli/output.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/exit_code.h"

namespace amk::cli {
namespace {

void write_stderr(std::string_view text) {
  // Nowhere is left to say that stderr is broken.
  if (std::fwrite(text.data(), 1, text.size(), stderr) != text.size()) std::clearerr(stderr);
}

}  // namespace

Json json_number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

void Output::write(std::string_view text) {
  if (write_error_ != 0) return;
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) write_error_ = errno != 0 ? errno : EIO;
}

void Output::text(std::string_view text) {
  if (!json_) write(text);
}

bool Output::stream(std::string_view text) {
  if (json_) return true;
  write(text);
  if (write_error_ == 0 && std::fflush(stdout) != 0) write_error_ = errno;
  return write_error_ == 0;
}

void Output::document(const Json& json) {
  if (json_) write(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Output::document(std::string_view json) {
  if (json_) write(json);
}

void Output::note(std::string_view line) {
  if (!quiet_) write_stderr(fmt::format("amk: {}\n", line));
}

void Output::error(const Error& error) {
  const std::string place = error.location.empty() ? "" : error.location + ": ";
  write_stderr(fmt::format("amk: {}{}\n", place, error.message));
  if (!error.hint.empty()) write_stderr(fmt::format("  hint: {}\n", error.hint));
  document({{"error",
             {{"code", error_code_name(error.code)},
              {"message", error.message},
              {"location", error.location},
              {"hint", error.hint}}}});
}

Status Output::finish() {
  if (std::fflush(stdout) != 0 && write_error_ == 0) write_error_ = errno;
  if (write_error_ == 0) return {};
  return Error{ErrorCode::kIo, fmt::format("expected to write to it, found: {}", std::strerror(write_error_)),
               "standard output", ""};
}

}  // namespace amk::cli
