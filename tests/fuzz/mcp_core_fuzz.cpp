// Messages to an MCP session, a line each: whatever they are, what it says are valid lines of JSON-RPC, at most one
// reply to a request, and nothing of a call after its cancel.
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "mcp/core/session.h"

namespace {

using namespace amk::mcp;

constexpr size_t kMessagesMax = 64;

Tool tool(const char* name, std::function<ToolResult(const Json&, CallContext&)> call) {
  Tool out;
  out.name = name;
  out.title = name;
  out.description = name;
  out.input_schema = {{"type", "object"},
                      {"properties",
                       {{"text", {{"type", "string"}, {"maxLength", 8}}},
                        {"count", {{"type", {"integer", "null"}}, {"minimum", 0}, {"multipleOf", 2}}},
                        {"list", {{"type", "array"}, {"items", {{"enum", {"a", 1}}}}, {"uniqueItems", true}}}}},
                      {"additionalProperties", false}};
  out.output_schema = {{"type", "object"}};
  out.call = std::move(call);
  return out;
}

std::vector<Tool> tools() {
  return {tool("echo",
               [](const Json& arguments, CallContext& context) {
                 context.progress("echoing");
                 context.log(LogLevel::kWarning, "echo");
                 ToolResult out;
                 out.structured = arguments;
                 return out;
               }),
          tool("kept", [](const Json&, CallContext&) {
            static const auto kKept = std::make_shared<const KeptResult>(Json{{"a", 1}});
            ToolResult out;
            out.kept = kKept;
            return out;
          })};
}

std::vector<Resource> resources() {
  Resource out;
  out.uri = "t://{a}/{b}";
  out.name = "t";
  out.read = [](const Variables& variables) -> amk::Result<Contents> {
    if (variables.at("a") == "none") return amk::Error{amk::ErrorCode::kUsage, "none", "", ""};
    return Contents{variables.at("a") + variables.at("b"), "text/plain", false};
  };
  out.state = [](const Variables&) { return std::string("same"); };
  out.completions["a"] = [](const std::string& typed) { return matching({"x", "xy"}, typed); };
  return {out};
}

std::vector<Prompt> prompts() {
  Prompt out;
  out.name = "p";
  out.arguments = {{"a", "A.", true, [](const std::string& typed) { return matching({"x", "xy"}, typed); }}};
  out.messages = [](const Json& arguments) { return Json::array({user_message(arguments["a"].get<std::string>())}); };
  return {out};
}

/// What is said, held to what any client may rely on.
class Listener {
 public:
  Send send() {
    return [this](const Json& message) { hear(to_line(message)); };
  }
  /// One line more that is a request of that id, so that one more reply is in order.
  void expect(const std::string& id) {
    const std::lock_guard lock(mutex_);
    ++owed_[id];
  }

 private:
  void hear(const std::string& line) {
    AMK_ASSERT(line.find('\n') == std::string::npos, "a message has one line");
    const auto parsed = parse_json(line);
    AMK_ASSERT(parsed.ok() && parsed->is_object(), "a message is an object of JSON in UTF-8");
    AMK_ASSERT(member(*parsed, "jsonrpc") == "2.0", "a message says its version");
    const bool error = parsed->contains("error");
    if (parsed->contains("method")) {
      AMK_ASSERT(!parsed->contains("id"), "the server asks nothing");
      return;
    }
    AMK_ASSERT(parsed->contains("id") && (parsed->contains("result") != error), "a reply has a result or an error");
    if (error) AMK_ASSERT(member((*parsed)["error"], "code").is_number_integer(), "an error has a code");
    if ((*parsed)["id"].is_null()) return;
    const std::lock_guard lock(mutex_);
    AMK_ASSERT(owed_[to_line((*parsed)["id"])]-- > 0, "a request has one reply");
  }

  std::mutex mutex_;
  std::map<std::string, int> owed_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Server server({"fuzz", "Fuzz", "1", ""}, tools(), resources(), prompts());
  static CallThreads threads(2);
  Listener listener;
  Session session(server, threads);
  session.set_push(listener.send());
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  for (size_t count = 0; count < kMessagesMax && !rest.empty(); ++count) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const Message message = parse_message(line);
    if (!message.id.is_null()) listener.expect(to_line(message.id));
    session.receive(message, listener.send());
  }
  session.shut_down();
  return 0;
}
