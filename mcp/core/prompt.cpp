#include "mcp/core/prompt.h"

#include <utility>

namespace amk::mcp {

Json definition_of(const Prompt& prompt) {
  Json arguments = Json::array();
  for (const PromptArgument& argument : prompt.arguments) {
    arguments.push_back(
        {{"name", argument.name}, {"description", argument.description}, {"required", argument.required}});
  }
  return {{"name", prompt.name},
          {"title", prompt.title},
          {"description", prompt.description},
          {"arguments", std::move(arguments)}};
}

Json user_message(std::string text) {
  return {{"role", "user"}, {"content", {{"type", "text"}, {"text", std::move(text)}}}};
}

std::vector<std::string> matching(const std::vector<std::string>& all, const std::string& typed) {
  std::vector<std::string> out;
  for (const std::string& one : all) {
    if (one.starts_with(typed)) out.push_back(one);
  }
  for (const std::string& one : all) {
    if (!one.starts_with(typed) && one.find(typed) != std::string::npos) out.push_back(one);
  }
  return out;
}

}  // namespace amk::mcp
