// The standard streams: what was asked for on stdout, everything else on stderr.
//
// With --json, stdout holds one JSON document and nothing else. A write that fails is remembered and ends in exit
// code 3.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace amk::cli {

using Json = nlohmann::ordered_json;

/// JSON has neither NaN nor infinity: null stands for both.
[[nodiscard]] Json json_number(double value);

class Output {
 public:
  Output(bool json, bool quiet, bool progress_lines = false)
      : json_(json), quiet_(quiet), progress_lines_(progress_lines) {}

  [[nodiscard]] bool json() const { return json_; }
  [[nodiscard]] bool quiet() const { return quiet_; }
  /// Whether progress is for a program: a line of JSON each.
  [[nodiscard]] bool progress_lines() const { return progress_lines_; }

  /// Text for people, on stdout; dropped with --json.
  void text(std::string_view text);
  /// As text(), and there at once: for what is streamed. False when stdout takes no more.
  bool stream(std::string_view text);
  /// The JSON document, on stdout; dropped without --json. Invalid UTF-8 becomes U+FFFD.
  void document(const Json& json);
  /// As document(), of text that is JSON already.
  void document(std::string_view json);
  /// A line on stderr: "amk: ...". Dropped with --quiet.
  void note(std::string_view line);
  /// What went wrong: on stderr, and as the document {"error": ...}.
  void error(const Error& error);
  /// Flushes stdout; kIo when anything that was written to it got lost.
  Status finish();

 private:
  void write(std::string_view text);

  bool json_;
  bool quiet_;
  bool progress_lines_;
  int write_error_ = 0;  ///< errno of the first write that failed
};

}  // namespace amk::cli
