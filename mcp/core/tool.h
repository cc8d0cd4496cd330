// A tool: what clients are told of it, and the function that does it.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "mcp/core/json.h"

namespace amk::mcp {

/// What a client may assume; all four are always stated, since clients assume the worst of what is left out.
struct Annotations {
  bool read_only = false;    ///< changes nothing
  bool destructive = false;  ///< may lose something
  bool idempotent = false;   ///< a second call changes nothing more
  bool open_world = false;   ///< talks to something outside this machine
};

/// Why a call is to end.
enum class Stop {
  kNo,
  kCancelled,  ///< by the client: what the call has started is to end with it
  kShutdown,   ///< of the server: what is on disk goes on
};

/// What a running call may ask of whoever runs it. Thread-safe.
class CallContext {
 public:
  virtual ~CallContext() = default;
  [[nodiscard]] virtual Stop stop() const = 0;
  /// Sleeps for that long, or until the call is to end.
  virtual void pause(std::chrono::milliseconds time) = 0;
  /// Tells the client, where it asked to be told, what is being done; at most a few times a second.
  virtual void progress(const std::string& what) = 0;
};

/// What came of a call: an object that fits the tool's output schema, or words about what to mend. Never both: of a
/// failure, some clients show a model only the one and some only the other.
struct ToolResult {
  Json structured = Json::object();
  std::string error;  ///< empty: it went well

  [[nodiscard]] bool failed() const { return !error.empty(); }
};

/// "location: message; hint", as a result that failed.
[[nodiscard]] ToolResult failure(const Error& error);

struct Tool {
  std::string name;
  std::string title;
  std::string description;
  Json input_schema;   ///< of an object
  Json output_schema;  ///< of an object with "summary" and "next"
  Annotations annotations;
  bool starts_run = false;  ///< what it does is a run, which outlives the server
  std::function<ToolResult(const Json& arguments, CallContext&)> call;
};

/// As tools/list has it.
[[nodiscard]] Json definition_of(const Tool& tool);

}  // namespace amk::mcp
