// Finished answers of a tool, by everything that they depend on. Equal calls at one time share one computation.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "mcp/core/tool.h"

namespace amk::mcp {

/// Thread-safe. Keeps the answers that were asked for last, and no failures.
class AnswerCache {
 public:
  explicit AnswerCache(size_t answers_max = 128) : answers_max_(answers_max) {}

  /// The answer of that key, at most `age_max` old; else what `make` says, which runs while others with the key wait
  /// for it. Where the call that makes it is stopped, or `make` throws, one of those makes it again.
  ToolResult get(const std::string& key, std::chrono::seconds age_max, CallContext& context,
                 const std::function<ToolResult()>& make);

  [[nodiscard]] size_t count() const;

 private:
  struct Entry {
    bool making = true;
    bool again = false;  ///< whoever made it was stopped, or could not
    ToolResult result;
    std::chrono::steady_clock::time_point made;
    std::list<std::string>::iterator place;  ///< in order_, once it is made
  };
  using EntryPtr = std::shared_ptr<Entry>;
  ToolResult make_it(const std::string& key, const EntryPtr& entry, CallContext& context,
                     const std::function<ToolResult()>& make);
  void keep(const std::string& key, const EntryPtr& entry);

  const size_t answers_max_;
  mutable std::mutex mutex_;
  std::map<std::string, EntryPtr> entries_;
  std::list<std::string> order_;  ///< keys, the one asked for last in front
};

}  // namespace amk::mcp
