// What the server offers, the same to every client: its name, its instructions, its tools, resources and prompts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mcp/core/prompt.h"
#include "mcp/core/resource.h"
#include "mcp/core/state_seal.h"
#include "mcp/core/tool.h"
#include "mcp/core/watcher.h"

namespace amk::mcp {

struct ServerInfo {
  std::string name;
  std::string title;
  std::string version;
  std::string instructions;  ///< for the model behind the client; clients cut at 2 to 4 KiB
};

/// What it offers does not change once it is made; of use to any number of threads.
class Server {
 public:
  /// A tool whose schemas use what core/schema.h does not know is a bug of ours.
  Server(ServerInfo info, std::vector<Tool> tools, std::vector<Resource> resources = {},
         std::vector<Prompt> prompts = {});

  [[nodiscard]] const ServerInfo& info() const { return info_; }
  [[nodiscard]] const std::vector<Tool>& tools() const { return tools_; }
  [[nodiscard]] const Tool* find(const std::string& name) const;
  /// ", did you mean 'x'" or "".
  [[nodiscard]] std::string suggestion(const std::string& name) const;
  /// Of the tools, as tools/list has them: written once, and only to_line() reads it (raw_json).
  [[nodiscard]] const Json& definitions() const { return definitions_; }
  [[nodiscard]] const Resources& resources() const { return resources_; }
  [[nodiscard]] const std::vector<Prompt>& prompts() const { return prompts_; }
  [[nodiscard]] const Prompt* find_prompt(const std::string& name) const;
  /// What looks after every session's subscriptions.
  [[nodiscard]] Watcher& watcher() const { return *watcher_; }
  /// For what clients keep between the rounds of a call.
  [[nodiscard]] const StateSeal& seal() const { return seal_; }
  /// {name, title, version}, as both eras have it.
  [[nodiscard]] Json implementation() const;

 private:
  ServerInfo info_;
  std::vector<Tool> tools_;
  Json definitions_;
  Resources resources_;
  std::vector<Prompt> prompts_;
  std::unique_ptr<Watcher> watcher_;
  StateSeal seal_;
};

}  // namespace amk::mcp
