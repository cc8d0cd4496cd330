// The program under test as a child process: arguments in; exit code, stdout and stderr out.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace amk::test {

/// Where a child's standard streams go. Empty: input is empty, output is captured.
struct Streams {
  std::string input;                   ///< text it reads
  std::filesystem::path stdout_path;   ///< a file or device its stdout goes to instead
  bool stdout_closed = false;          ///< no stdout at all
  bool stdout_is_broken_pipe = false;  ///< a pipe that nobody reads
};

struct Outcome {
  int exit_code = -1;  ///< -1: it was ended by a signal
  int signal = 0;      ///< 0, or the signal that ended it; SIGKILL after a minute
  std::string out;
  std::string err;
};

/// Runs amk with these arguments in the project's root.
Outcome run_amk(const std::vector<std::string>& arguments, const Streams& streams = {});

/// As run_amk with --json: the document on stdout. Throws where stdout holds anything else.
nlohmann::ordered_json run_json(std::vector<std::string> arguments, int expected_exit);

/// The keys of an object.
std::set<std::string> keys_of(const nlohmann::ordered_json& object);

/// A directory of its own, removed at the end.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  /// Writes a file and returns its path.
  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

/// All of a file; throws where it cannot be read.
std::string read_text(const std::filesystem::path& path);

inline constexpr const char* kShipped = "models/shakespeare-llama-3m";

}  // namespace amk::test
