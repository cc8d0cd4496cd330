// A prompt: what a person picks from a menu and fills in, and what a model is told then.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mcp/core/resource.h"

namespace amk::mcp {

struct PromptArgument {
  std::string name;
  std::string description;
  bool required = false;
  Complete complete;  ///< empty: nothing is known of it
};

struct Prompt {
  std::string name;
  std::string title;
  std::string description;
  std::vector<PromptArgument> arguments;
  /// The messages, [{"role": ..., "content": ...}]. `arguments` is an object of texts, with those that are required.
  std::function<Json(const Json& arguments)> messages;
  Json asks;  ///< what the client must answer first (see mcp/core/asking.h), which needs 2026-07-28; null: nothing
  /// The messages, where the client has answered.
  std::function<Json(const Json& arguments, const Json& answers)> answered;
};

/// As prompts/list has it.
[[nodiscard]] Json definition_of(const Prompt& prompt);

/// {"role": "user", "content": text}.
[[nodiscard]] Json user_message(std::string text);

/// Those that begin with what has been typed, then those that hold it, each in the order given.
[[nodiscard]] std::vector<std::string> matching(const std::vector<std::string>& all, const std::string& typed);

}  // namespace amk::mcp
