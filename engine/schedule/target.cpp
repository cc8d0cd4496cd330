#include "schedule/target.h"

#include <fmt/format.h>

#include "base/text.h"

namespace amk::schedule {

std::vector<std::string_view> target_names() {
  std::vector<std::string_view> names;
  for (const abi::TargetInfo& target : abi::kTargets) names.emplace_back(target.name);
  return names;
}

Result<const abi::TargetInfo*> find_target(std::string_view name) {
  for (const abi::TargetInfo& target : abi::kTargets) {
    if (name == target.name) return &target;
  }
  const std::vector<std::string_view> names = target_names();
  return Error{ErrorCode::kUsage, fmt::format("expected a GPU target, found '{}'{}", name, did_you_mean(name, names)),
               "", fmt::format("targets are {}", join(names))};
}

}  // namespace amk::schedule
