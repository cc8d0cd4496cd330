#include "mcp/tools/answer_cache.h"

#include <utility>

namespace amk::mcp {
namespace {

constexpr std::chrono::milliseconds kLook{5};

}  // namespace

ToolResult AnswerCache::get(const std::string& key, std::chrono::seconds age_max, CallContext& context,
                            const std::function<ToolResult()>& make) {
  while (true) {
    EntryPtr entry;
    bool ours = false;
    {
      const std::lock_guard lock(mutex_);
      const auto found = entries_.find(key);
      if (found != entries_.end()) entry = found->second;
      const bool old = entry && !entry->making && std::chrono::steady_clock::now() > entry->made + age_max;
      if (entry && !entry->making && !old) {
        order_.splice(order_.begin(), order_, entry->place);
        return entry->result;
      }
      if (old) order_.erase(entry->place);
      if (!entry || old) {
        entry = std::make_shared<Entry>();
        entries_[key] = entry;
        ours = true;
      }
    }
    if (ours) return make_it(key, entry, context, make);
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (!entry->making && !entry->again) return entry->result;
        if (entry->again) break;
      }
      if (context.stop() != Stop::kNo) return failure({ErrorCode::kIo, "the call was stopped", "", "call it again"});
      context.pause(kLook);
    }
  }
}

ToolResult AnswerCache::make_it(const std::string& key, const EntryPtr& entry, CallContext& context,
                                const std::function<ToolResult()>& make) {
  ToolResult result;
  try {
    result = make();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    entry->making = false;
    entry->again = true;
    entries_.erase(key);
    throw;
  }
  const std::lock_guard lock(mutex_);
  entry->making = false;
  entry->result = result;
  entry->made = std::chrono::steady_clock::now();
  entry->again = result.failed() && context.stop() != Stop::kNo;
  if (result.failed()) {
    entries_.erase(key);
  } else {
    keep(key, entry);
  }
  return result;
}

void AnswerCache::keep(const std::string& key, const EntryPtr& entry) {
  order_.push_front(key);
  entry->place = order_.begin();
  while (order_.size() > answers_max_) {
    entries_.erase(order_.back());
    order_.pop_back();
  }
}

size_t AnswerCache::count() const {
  const std::lock_guard lock(mutex_);
  return order_.size();
}

}  // namespace amk::mcp
