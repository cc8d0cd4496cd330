// What the server offers, the same to every client: its name, its instructions, its tools.
#pragma once

#include <string>
#include <vector>

#include "mcp/core/tool.h"

namespace amk::mcp {

struct ServerInfo {
  std::string name;
  std::string title;
  std::string version;
  std::string instructions;  ///< for the model behind the client; clients cut at 2 to 4 KiB
};

/// Immutable once made, and so of use to any number of threads.
class Server {
 public:
  /// A tool whose schemas use what core/schema.h does not know is a bug of ours.
  Server(ServerInfo info, std::vector<Tool> tools);

  [[nodiscard]] const ServerInfo& info() const { return info_; }
  [[nodiscard]] const std::vector<Tool>& tools() const { return tools_; }
  [[nodiscard]] const Tool* find(const std::string& name) const;
  /// ", did you mean 'x'" or "".
  [[nodiscard]] std::string suggestion(const std::string& name) const;
  [[nodiscard]] const Json& definitions() const { return definitions_; }
  /// {name, title, version}, as both eras have it.
  [[nodiscard]] Json implementation() const;

 private:
  ServerInfo info_;
  std::vector<Tool> tools_;
  Json definitions_ = Json::array();
};

}  // namespace amk::mcp
