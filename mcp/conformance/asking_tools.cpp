#include <fmt/format.h>

#include <utility>

#include "mcp/conformance/fixtures.h"
#include "mcp/core/asking.h"

namespace amk::mcp {
namespace {

Json sampling(const std::string& text, int tokens_max) {
  const Json message = {{"role", "user"}, {"content", text_item(text)}};
  return {{"method", "sampling/createMessage"},
          {"params", {{"messages", Json::array({message})}, {"maxTokens", tokens_max}}}};
}

Json roots() { return {{"method", "roots/list"}, {"params", Json::object()}}; }

/// The text that a user has typed for `field`.
std::string typed(const Json& answer, const char* field) {
  const Json& value = member(member(answer, "content"), field);
  return value.is_string() ? value.get<std::string>() : "";
}

std::string outcome(const Json& answer) {
  return fmt::format("action={}, content={}", answer.value("action", ""), to_line(member(answer, "content")));
}

std::string sampled(const Json& answer) { return to_line(member(member(answer, "content"), "text")); }

/// A tool that asks once, and says what `tell` makes of the answers.
Tool asking_once(const char* name, const char* description, Json requests,
                 std::function<std::string(const Json& answers)> tell, std::string state = "") {
  return fixture_tool(name, description, Json::object(),
                      [requests = std::move(requests), tell = std::move(tell), state = std::move(state)](
                          const Json&, CallContext& context) {
                        const std::optional<Json> answers = context.ask(requests);
                        if (!answers || (!state.empty() && context.kept_state() != state))
                          return input_required(requests, state);
                        return content_only({text_item(tell(*answers))});
                      });
}

Json with_default(Json property, Json value) {
  property["default"] = std::move(value);
  return property;
}

Json fields_with_defaults() {
  const Json text = {{"type", "string"}};
  const Json status = {{"type", "string"}, {"enum", {"active", "inactive", "pending"}}};
  return {{"name", with_default(text, "John Doe")},
          {"age", with_default({{"type", "integer"}}, 30)},
          {"score", with_default({{"type", "number"}}, 95.5)},
          {"status", with_default(status, "active")},
          {"verified", with_default({{"type", "boolean"}}, true)}};
}

Json titled(const std::vector<std::pair<const char*, const char*>>& choices) {
  Json out = Json::array();
  for (const auto& [value, title] : choices) out.push_back({{"const", value}, {"title", title}});
  return out;
}

/// The five ways in which a choice can be written.
Json fields_of_choices() {
  const Json options = {"option1", "option2", "option3"};
  const Json firsts = titled({{"value1", "First Option"}, {"value2", "Second Option"}, {"value3", "Third Option"}});
  const Json choices = titled({{"value1", "First Choice"}, {"value2", "Second Choice"}, {"value3", "Third Choice"}});
  return {{"untitledSingle", {{"type", "string"}, {"enum", options}}},
          {"titledSingle", {{"type", "string"}, {"oneOf", firsts}}},
          {"legacyEnum",
           {{"type", "string"},
            {"enum", {"opt1", "opt2", "opt3"}},
            {"enumNames", {"Option One", "Option Two", "Option Three"}}}},
          {"untitledMulti", {{"type", "array"}, {"items", {{"type", "string"}, {"enum", options}}}}},
          {"titledMulti", {{"type", "array"}, {"items", {{"anyOf", choices}}}}}};
}

ToolResult sample(const Json& arguments, CallContext& context) {
  const Json requests = {{"answer", sampling(arguments.at("prompt").get<std::string>(), 100)}};
  const std::optional<Json> answers = context.ask(requests);
  if (!answers) return input_required(requests);
  return content_only({text_item("LLM response: " + sampled((*answers)["answer"]))});
}

ToolResult elicit(const Json& arguments, CallContext& context) {
  const Json fields = {{"username", {{"type", "string"}, {"description", "User's response"}}},
                       {"email", {{"type", "string"}, {"description", "User's email address"}}}};
  const Json requests = {{"answer", elicitation(arguments.at("message").get<std::string>(), fields)}};
  const std::optional<Json> answers = context.ask(requests);
  if (!answers) return input_required(requests);
  return content_only({text_item("User response: " + outcome((*answers)["answer"]))});
}

/// Two questions, the second of which knows the answer to the first.
ToolResult ask_twice(const Json&, CallContext& context) {
  const Json first = {{"step1", elicitation("Step 1: What is your name?", {{"name", {{"type", "string"}}}})}};
  const Json second = {
      {"step2", elicitation("Step 2: What is your favorite color?", {{"color", {{"type", "string"}}}})}};
  const std::string begun = "name:";
  if (context.kept_state().starts_with(begun)) {
    const std::optional<Json> answers = context.ask(second);
    if (!answers) return input_required(second, context.kept_state());
    return content_only({text_item(
        fmt::format("{} likes {}", context.kept_state().substr(begun.size()), typed((*answers)["step2"], "color")))});
  }
  const std::optional<Json> answers = context.ask(first);
  if (!answers) return input_required(first, "asked");
  return input_required(second, begun + typed((*answers)["step1"], "name"));
}

/// Asks for no more than the client can do.
ToolResult ask_what_can_be(const Json&, CallContext& context) {
  const Json all = {{"user_name", elicitation("What is your name?", {{"name", {{"type", "string"}}}})},
                    {"greeting", sampling("Generate a greeting", 50)},
                    {"client_roots", roots()}};
  Json requests = Json::object();
  for (const auto& [name, request] : all.items()) {
    const Json one = {{name, request}};
    if (missing_capabilities(one, context.client_capabilities()).empty()) requests[name] = request;
  }
  if (requests.empty()) return content_only({text_item("The client can be asked for nothing.")});
  const std::optional<Json> answers = context.ask(requests);
  if (!answers) return input_required(requests);
  return content_only({text_item("The client has answered: " + to_line(*answers))});
}

std::vector<Tool> tools_of_rounds() {
  const Json name = {{"user_name", elicitation("What is your name?", {{"name", {{"type", "string"}}}})}};
  const Json capital = {{"capital_question", sampling("What is the capital of France?", 100)}};
  const Json confirm = {{"confirm", elicitation("Please confirm", {{"ok", {{"type", "boolean"}}}})}};
  Json several = name;
  several["greeting"] = sampling("Generate a greeting", 50);
  several["client_roots"] = roots();
  const auto hello = [](const Json& answers) {
    return fmt::format("Hello, {}!", typed(answers.at("user_name"), "name"));
  };
  return {
      asking_once("test_input_required_result_elicitation", "Asks for a name", name, hello),
      asking_once("test_input_required_result_sampling", "Asks for a capital", capital,
                  [](const Json& answers) { return sampled(answers.at("capital_question")); }),
      asking_once("test_input_required_result_list_roots", "Asks for roots", {{"client_roots", roots()}},
                  [](const Json& answers) { return to_line(answers.at("client_roots")); }),
      asking_once(
          "test_input_required_result_request_state", "Asks, and keeps a state", confirm,
          [](const Json&) { return std::string("state-ok"); }, "to be confirmed"),
      asking_once(
          "test_input_required_result_tampered_state", "Asks, and keeps a state", confirm,
          [](const Json&) { return std::string("state-ok"); }, "not to be tampered with"),
      asking_once("test_input_required_result_multiple_inputs", "Asks for three things", several, hello, "asked"),
      fixture_tool("test_input_required_result_multi_round", "Asks twice", Json::object(), ask_twice),
      fixture_tool("test_input_required_result_capabilities", "Asks for what the client can do", Json::object(),
                   ask_what_can_be),
      asking_once("test_streaming_elicitation", "Asks for a name", name, hello),
      asking_once("test_missing_capability", "Needs sampling", capital,
                  [](const Json& answers) { return sampled(answers.at("capital_question")); }),
  };
}

}  // namespace

Json elicitation(const std::string& message, Json properties) {
  Json required = Json::array();
  for (const auto& [name, property] : properties.items()) {
    if (!property.contains("default")) required.push_back(name);
  }
  Json schema = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  return {{"method", "elicitation/create"}, {"params", {{"message", message}, {"requestedSchema", std::move(schema)}}}};
}

std::vector<Tool> asking_tools() {
  const Json text = {{"type", "string"}};
  const auto completed = [](const Json& answers) { return "Elicitation completed: " + outcome(answers.at("answer")); };
  std::vector<Tool> out = {
      fixture_tool("test_sampling", "Asks the client's model", {{"prompt", text}}, sample),
      fixture_tool("test_elicitation", "Asks the client's user", {{"message", text}}, elicit),
      asking_once("test_elicitation_sep1034_defaults", "Asks, with defaults",
                  {{"answer", elicitation("Please review your details", fields_with_defaults())}}, completed),
      asking_once("test_elicitation_sep1330_enums", "Asks for choices",
                  {{"answer", elicitation("Please choose", fields_of_choices())}}, completed),
  };
  for (Tool& tool : tools_of_rounds()) out.push_back(std::move(tool));
  return out;
}

}  // namespace amk::mcp
