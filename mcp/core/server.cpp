#include "mcp/core/server.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/text.h"
#include "mcp/core/schema.h"

namespace amk::mcp {

Server::Server(ServerInfo info, std::vector<Tool> tools, std::vector<Resource> resources, std::vector<Prompt> prompts)
    : info_(std::move(info)),
      tools_(std::move(tools)),
      resources_(std::move(resources)),
      prompts_(std::move(prompts)),
      watcher_(std::make_unique<Watcher>()) {
  Json definitions = Json::array();
  for (const Tool& tool : tools_) {
    AMK_ASSERT(unknown_keyword(tool.input_schema).empty(), tool.name + ": input schema");
    AMK_ASSERT(tool.output_schema.is_null() || unknown_keyword(tool.output_schema).empty(),
               tool.name + ": output schema");
    definitions.push_back(definition_of(tool));
  }
  definitions_ = raw_json(to_line(definitions));
}

const Tool* Server::find(const std::string& name) const {
  const auto found = std::ranges::find(tools_, name, &Tool::name);
  return found == tools_.end() ? nullptr : &*found;
}

const Prompt* Server::find_prompt(const std::string& name) const {
  const auto found = std::ranges::find(prompts_, name, &Prompt::name);
  return found == prompts_.end() ? nullptr : &*found;
}

std::string Server::suggestion(const std::string& name) const {
  std::vector<std::string_view> names;
  for (const Tool& tool : tools_) names.push_back(tool.name);
  return did_you_mean(name, names);
}

Json Server::implementation() const {
  return {{"name", info_.name}, {"title", info_.title}, {"version", info_.version}};
}

}  // namespace amk::mcp
