#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "schedule/schedule_config_json.h"
#include "search/search_space.h"

namespace amk::search {
namespace {

using Json = nlohmann::ordered_json;
using schedule::FusionGrouping;

struct IntRange {
  uint32_t min;
  uint32_t max;
  uint32_t step;
};

void add_new(std::vector<std::string>& values, std::string value, const std::string& present) {
  if (value != present && std::find(values.begin(), values.end(), value) == values.end())
    values.push_back(std::move(value));
}

/// From a number: half, double, and one step either way. From "auto": a ladder over the whole range.
std::vector<std::string> int_neighbours(const IntRange& range, std::optional<uint32_t> present, bool has_auto) {
  std::vector<std::string> out;
  const std::string now = present ? std::to_string(*present) : "\"auto\"";
  if (!present) {
    for (uint64_t value = range.min; value <= range.max; value *= 4) add_new(out, std::to_string(value), now);
    return out;
  }
  const auto legal = [&](uint64_t value) {
    const uint64_t low = (range.min + range.step - 1) / range.step * range.step;
    return std::to_string(std::clamp<uint64_t>(value / range.step * range.step, low, range.max));
  };
  const uint64_t value = *present;
  add_new(out, legal(value > range.step ? value - range.step : 0), now);
  add_new(out, legal(value + range.step), now);
  add_new(out, legal(value / 2), now);
  add_new(out, legal(value * 2), now);
  if (has_auto) add_new(out, "\"auto\"", now);
  return out;
}

template <size_t N>
std::vector<std::string> names_of(const abi::ChoiceInfo (&values)[N]) {
  std::vector<std::string> names;
  for (const abi::ChoiceInfo& value : values) names.emplace_back(value.name);
  return names;
}

std::string quoted(const std::string& name) { return Json(name).dump(); }

std::vector<std::string> choice_neighbours(const std::vector<std::string>& names, const std::string& present,
                                           bool has_auto) {
  std::vector<std::string> out;
  for (const std::string& name : names) add_new(out, quoted(name), present);
  if (has_auto) add_new(out, "\"auto\"", present);
  return out;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    out.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

/// Whether two groups would both do some operation. Norms and residuals stand in several places of a layer, so sharing
/// one of those says nothing.
bool compete(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&](const std::string& op) {
    return op != "rmsnorm" && op != "residual" && std::find(b.begin(), b.end(), op) != b.end();
  });
}

/// Each group taken apart, and each other legal group in the place of those it competes with.
std::vector<std::string> group_neighbours(const FusionGrouping& present) {
  std::vector<std::string> out;
  const std::string now = Json(present).dump();
  for (size_t i = 0; i < present.size(); ++i) {
    FusionGrouping without = present;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    add_new(out, Json(without).dump(), now);
  }
  for (const abi::FusionInfo& row : abi::kFusions) {
    const std::vector<std::string> group = split(row.ops);
    if (std::find(present.begin(), present.end(), group) != present.end()) continue;
    FusionGrouping with;
    std::copy_if(present.begin(), present.end(), std::back_inserter(with),
                 [&](const auto& other) { return !compete(group, other); });
    with.push_back(group);
    add_new(out, Json(with).dump(), now);
  }
  return out;
}

/// The present value, by the one writer of schedules.
std::string present_value(const Json& config, std::string path) {
  std::replace(path.begin(), path.end(), '.', '/');
  return config.at(Json::json_pointer("/" + path)).dump();
}

std::vector<std::string> legal_groups() {
  std::vector<std::string> out;
  for (const abi::FusionInfo& row : abi::kFusions) out.emplace_back(row.ops);
  return out;
}

std::vector<KnobLoss> losses_of(const std::string& knob) {
  std::vector<KnobLoss> out;
#define AMK_KNOB_LOSS(path, loss, how) \
  if (knob == (path)) out.push_back({eval::Bottleneck::loss, how});
#include "search/knob_loss.def"
  return out;
}

}  // namespace

std::vector<Knob> search_space(const schedule::ScheduleConfig& config) {
  const Json present = Json::parse(schedule::config_to_json(config));
  const Json defaults = Json::parse(schedule::config_to_json({}));
  std::vector<Knob> out;
  const auto add = [&](const char* path, const char* type, const char* pass, const char* doc) -> Knob& {
    Knob knob;
    knob.path = path;
    knob.type = type;
    knob.default_value = present_value(defaults, path);
    knob.present = present_value(present, path);
    knob.pass = pass;
    knob.doc = doc;
    return out.emplace_back(std::move(knob));
  };
  const auto add_int = [&](const char* path, IntRange range, std::optional<uint32_t> value, const char* unit,
                           const char* pass, const char* auto_doc, const char* doc) {
    Knob& knob = add(path, "integer", pass, doc);
    knob.min = range.min;
    knob.max = range.max;
    knob.step = range.step;
    knob.unit = unit;
    knob.has_auto = auto_doc != nullptr;
    if (knob.has_auto) knob.auto_doc = auto_doc;
    knob.neighbours = int_neighbours(range, value, knob.has_auto);
  };
  const auto add_choice = [&](const char* path, std::vector<std::string> names, const char* pass, const char* auto_doc,
                              const char* doc) {
    Knob& knob = add(path, "choice", pass, doc);
    knob.names = std::move(names);
    knob.has_auto = auto_doc != nullptr;
    if (knob.has_auto) knob.auto_doc = auto_doc;
    knob.neighbours = choice_neighbours(knob.names, knob.present, knob.has_auto);
  };
#define AMK_KNOB_INT(field, path, default_value, min, max, step, unit, pass, doc) \
  add_int(path, {min, max, step}, config.field, unit, pass, nullptr, doc);
#define AMK_KNOB_AUTO_INT(field, path, min, max, step, unit, pass, auto_doc, doc) \
  add_int(path, {min, max, step}, config.field, unit, pass, auto_doc, doc);
#define AMK_KNOB_AUTO_CHOICE(field, path, Type, pass, auto_doc, doc) \
  add_choice(path, names_of(abi::k##Type##Values), pass, auto_doc, doc);
#define AMK_KNOB_CHOICE(field, path, Type, default_value, pass, doc) \
  add_choice(path, names_of(abi::k##Type##Values), pass, nullptr, doc);
#define AMK_KNOB_GROUPS(field, path, pass, doc)       \
  {                                                   \
    Knob& knob = add(path, "groups", pass, doc);      \
    knob.names = legal_groups();                      \
    knob.neighbours = group_neighbours(config.field); \
  }
#define AMK_KNOB_SMS(field, path, pass, doc)                                                   \
  {                                                                                            \
    Knob& knob = add(path, "sms", pass, doc);                                                  \
    knob.names = names_of(abi::kSmPolicyValues);                                               \
    knob.neighbours = choice_neighbours({"round_robin", "load_balance"}, knob.present, false); \
  }
#include "abi/knob.def"
  for (Knob& knob : out) knob.losses = losses_of(knob.path);
  return out;
}

std::vector<Addressing> knobs_against(const std::vector<Knob>& knobs, eval::Bottleneck loss) {
  std::vector<Addressing> out;
  for (const Knob& knob : knobs) {
    for (const KnobLoss& addressed : knob.losses) {
      if (addressed.loss == loss) out.push_back({&knob, addressed.how});
    }
  }
  return out;
}

std::vector<KnobChange> changed_knobs(const schedule::ScheduleConfig& from, const schedule::ScheduleConfig& to) {
  constexpr const char* kPaths[] = {
#define AMK_KNOB_INT(field, path, ...) path,
#define AMK_KNOB_AUTO_INT(field, path, ...) path,
#define AMK_KNOB_AUTO_CHOICE(field, path, ...) path,
#define AMK_KNOB_CHOICE(field, path, ...) path,
#define AMK_KNOB_GROUPS(field, path, ...) path,
#define AMK_KNOB_SMS(field, path, ...) path,
#include "abi/knob.def"
  };
  const Json before = Json::parse(schedule::config_to_json(from));
  const Json after = Json::parse(schedule::config_to_json(to));
  std::vector<KnobChange> out;
  for (const char* path : kPaths) {
    KnobChange change{path, present_value(before, path), present_value(after, path)};
    if (change.from != change.to) out.push_back(std::move(change));
  }
  return out;
}

std::string only_knob(const schedule::ScheduleConfig& from, const schedule::ScheduleConfig& to) {
  const std::vector<KnobChange> changes = changed_knobs(from, to);
  return changes.size() == 1 ? changes.front().path : "";
}

std::string describe_change(const schedule::ScheduleConfig& from, const schedule::ScheduleConfig& to) {
  std::string out;
  for (const KnobChange& change : changed_knobs(from, to))
    out += fmt::format("{}{}={}", out.empty() ? "" : ", ", change.path, change.to);
  return out.empty() ? "nothing" : out;
}

}  // namespace amk::search
