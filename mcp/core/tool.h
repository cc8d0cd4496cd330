// A tool: what clients are told of it, and the function that does it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "mcp/core/json.h"
#include "mcp/core/log_level.h"

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
  /// The same in steps of a known number, each of which is told. A call uses this or the other, not both.
  virtual void progress_of(double done, double total) = 0;
  /// Tells the client something, where it asked for messages of that level.
  virtual void log(LogLevel level, const std::string& text) = 0;

  /// What the client has declared that it can do: {"sampling": {}}.
  [[nodiscard]] virtual const Json& client_capabilities() const = 0;
  /// Asks the client for all of these (see mcp/core/asking.h), and gives its answers, by the same names. nullopt: it
  /// has not answered, and the tool is to return input_required() with the same requests.
  virtual std::optional<Json> ask(const Json& requests) = 0;
  /// What the input_required() before this round kept; empty: nothing, or there was none.
  [[nodiscard]] virtual const std::string& kept_state() const = 0;
};

/// A result that many calls get: what clients are sent is checked and written for the first of them. Thread-safe.
class KeptResult {
 public:
  explicit KeptResult(Json structured) : structured_(std::move(structured)) {}
  KeptResult(const KeptResult&) = delete;
  KeptResult& operator=(const KeptResult&) = delete;

  struct Lines {
    std::string structured;  ///< the object
    std::string content;     ///< the list that holds it as text
    std::string misfit;      ///< why it does not fit the tool's schema; empty: it does
  };
  /// As `make` has written them, which is called once and after which the object itself is gone.
  const Lines& lines(const std::function<Lines(const Json& structured)>& make) const {
    std::call_once(once_, [&] {
      lines_ = make(structured_);
      structured_ = nullptr;
    });
    return lines_;
  }

 private:
  mutable Json structured_;
  mutable std::once_flag once_;
  mutable Lines lines_;
};

/// What came of a call: an object that fits the tool's output schema, or words about what to mend. Never both: of a
/// failure, some clients show a model only the one and some only the other.
struct ToolResult {
  Json structured = Json::object();
  std::shared_ptr<const KeptResult> kept;  ///< where not null, the object is in here
  Json more_content = Json::array();       ///< content beside it, as MCP has it: links to resources, images
  std::string error;                       ///< empty: it went well
  Json requests;                           ///< that the client has to answer first; null: none
  std::string state;                       ///< to be kept until then

  [[nodiscard]] bool failed() const { return !error.empty(); }
};

/// "location: message; hint", as a result that failed.
[[nodiscard]] ToolResult failure(const Error& error);

/// The call cannot go on before the client has answered. `state` comes back with the answers, signed but not secret; a
/// client without state may answer with none.
[[nodiscard]] ToolResult input_required(Json requests, std::string state = "");

struct Tool {
  std::string name;
  std::string title;
  std::string description;
  Json input_schema;   ///< of an object
  Json output_schema;  ///< of an object with "summary" and "next"; null: results have content only
  Annotations annotations;
  bool starts_run = false;  ///< what it does is a run, which outlives the server
  std::function<ToolResult(const Json& arguments, CallContext&)> call;
};

/// {"type": "resource_link", ...}, for `more_content`.
[[nodiscard]] Json resource_link(const std::string& uri, const std::string& name, const std::string& description,
                                 const std::string& mime_type);

/// As tools/list has it.
[[nodiscard]] Json definition_of(const Tool& tool);

}  // namespace amk::mcp
