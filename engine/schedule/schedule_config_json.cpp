#include "schedule/schedule_config_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "model/json_reader.h"

namespace amk::schedule {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // for what we write: keys stand in the order of the tables

constexpr const char* kKnobPaths[] = {
#define AMK_KNOB_INT(field, path, default_value, min, max, step, unit, pass, doc) path,
#define AMK_KNOB_AUTO_INT(field, path, min, max, step, unit, pass, auto_doc, doc) path,
#define AMK_KNOB_AUTO_CHOICE(field, path, Type, pass, auto_doc, doc) path,
#define AMK_KNOB_CHOICE(field, path, Type, default_value, pass, doc) path,
#define AMK_KNOB_GROUPS(field, path, pass, doc) path,
#define AMK_KNOB_SMS(field, path, pass, doc) path,
#include "abi/knob.def"
};

Error knob_error(std::string_view path, std::string message) {
  return {ErrorCode::kUsage, std::move(message), fmt::format("knob {}", path), ""};
}

using model::show_json;

OrderedJson::json_pointer pointer(std::string_view path) {
  std::string text = "/";
  for (const char c : path) text += c == '.' ? '/' : c;
  return OrderedJson::json_pointer(text);
}

// ---- values to JSON -------------------------------------------------------------------------------------------------

template <typename T>
OrderedJson or_auto(const std::optional<T>& value) {
  return value ? OrderedJson(*value) : OrderedJson("auto");
}

template <size_t N>
std::vector<std::string_view> choice_names(const abi::ChoiceInfo (&values)[N]) {
  std::vector<std::string_view> names;
  for (const abi::ChoiceInfo& value : values) names.emplace_back(value.name);
  return names;
}

OrderedJson sms_to_json(const SmAssignment& sms) {
  if (sms.policy == abi::SmPolicy::kMeasured) return {{"measured", sms.bandwidth}};
  if (sms.policy == abi::SmPolicy::kExplicit) return {{"explicit", sms.sm_of}};
  return abi::kSmPolicyValues[static_cast<size_t>(sms.policy)].name;
}

// ---- JSON to values -------------------------------------------------------------------------------------------------

Result<uint32_t> read_uint(const Json& value, std::string_view path, std::string_view also) {
  if (value.is_number_unsigned() && value.get<uint64_t>() <= UINT32_MAX) return value.get<uint32_t>();
  return knob_error(path, fmt::format("expected a non-negative integer{}, found {}", also, show_json(value)));
}

Status read_int(const Json& value, std::string_view path, uint32_t& out) {
  AMK_ASSIGN_OR_RETURN(out, read_uint(value, path, ""));
  return {};
}

Status read_int(const Json& value, std::string_view path, std::optional<uint32_t>& out) {
  if (value == "auto") return out.reset(), Status();
  AMK_ASSIGN_OR_RETURN(out, read_uint(value, path, " or \"auto\""));
  return {};
}

template <typename Type, size_t N>
Status read_choice(const Json& value, std::string_view path, const abi::ChoiceInfo (&values)[N], Type& out) {
  const std::vector<std::string_view> names = choice_names(values);
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    for (size_t i = 0; i < N; ++i) {
      if (text == names[i]) return out = static_cast<Type>(i), Status();
    }
    return knob_error(path,
                      fmt::format("expected one of {}, found '{}'{}", join(names), text, did_you_mean(text, names)));
  }
  return knob_error(path, fmt::format("expected one of {}, found {}", join(names), show_json(value)));
}

template <typename Type, size_t N>
Status read_choice(const Json& value, std::string_view path, const abi::ChoiceInfo (&values)[N],
                   std::optional<Type>& out) {
  if (value == "auto") return out.reset(), Status();
  Type chosen{};
  AMK_TRY(read_choice(value, path, values, chosen));
  out = chosen;
  return {};
}

Status read_groups(const Json& value, std::string_view path, FusionGrouping& out) {
  const Error wrong = knob_error(path, fmt::format("expected a list of lists of op names, found {}", show_json(value)));
  if (!value.is_array()) return wrong;
  FusionGrouping groups;
  for (const Json& group : value) {
    if (!group.is_array()) return wrong;
    groups.emplace_back();
    for (const Json& op : group) {
      if (!op.is_string()) return wrong;
      groups.back().push_back(op.get<std::string>());
    }
  }
  out = std::move(groups);
  return {};
}

Status read_sms(const Json& value, std::string_view path, SmAssignment& out) {
  SmAssignment sms;
  if (value.is_string()) {
    AMK_TRY(read_choice(value, path, abi::kSmPolicyValues, sms.policy));
    out = sms;
    return {};
  }
  const bool one_list = value.is_object() && value.size() == 1 && value.front().is_array();
  if (one_list && value.contains("measured")) {
    sms.policy = abi::SmPolicy::kMeasured;
    for (const Json& bandwidth : value.front()) {
      if (!bandwidth.is_number())
        return knob_error(path, fmt::format("expected numbers, found {}", show_json(bandwidth)));
      sms.bandwidth.push_back(bandwidth.get<double>());
    }
  } else if (one_list && value.contains("explicit")) {
    sms.policy = abi::SmPolicy::kExplicit;
    for (const Json& sm : value.front()) {
      AMK_ASSIGN_OR_RETURN(const uint32_t index, read_uint(sm, path, ""));
      sms.sm_of.push_back(index);
    }
  } else {
    return knob_error(path, fmt::format("expected \"round_robin\", \"load_balance\", {{\"measured\": [bandwidths]}} or "
                                        "{{\"explicit\": [SMs]}}, found {}",
                                        show_json(value)));
  }
  out = std::move(sms);
  return {};
}

Status read_knob(ScheduleConfig& config, std::string_view wanted, const Json& value) {
#define AMK_KNOB_INT(field, path, default_value, min, max, step, unit, pass, doc) \
  if (wanted == path) return read_int(value, path, config.field);
#define AMK_KNOB_AUTO_INT(field, path, min, max, step, unit, pass, auto_doc, doc) \
  if (wanted == path) return read_int(value, path, config.field);
#define AMK_KNOB_AUTO_CHOICE(field, path, Type, pass, auto_doc, doc) \
  if (wanted == path) return read_choice(value, path, abi::k##Type##Values, config.field);
#define AMK_KNOB_CHOICE(field, path, Type, default_value, pass, doc) \
  if (wanted == path) return read_choice(value, path, abi::k##Type##Values, config.field);
#define AMK_KNOB_GROUPS(field, path, pass, doc) \
  if (wanted == path) return read_groups(value, path, config.field);
#define AMK_KNOB_SMS(field, path, pass, doc) \
  if (wanted == path) return read_sms(value, path, config.field);
#include "abi/knob.def"
  const std::vector<std::string_view> paths(std::begin(kKnobPaths), std::end(kKnobPaths));
  return knob_error(wanted, fmt::format("expected a knob, found '{}'{}", wanted, did_you_mean(wanted, paths)));
}

bool is_section(std::string_view path) {
  for (const std::string_view knob : kKnobPaths) {
    if (knob.size() > path.size() && knob.starts_with(path) && knob[path.size()] == '.') return true;
  }
  return false;
}

/// Sections nest two deep at most, so the recursion is bounded by the table, not by the input.
Status read_section(ScheduleConfig& config, const std::string& prefix, const Json& section) {
  for (const auto& [key, value] : section.items()) {
    const std::string path = prefix.empty() ? key : prefix + "." + key;
    if (!is_section(path)) {
      AMK_TRY(read_knob(config, path, value));
    } else if (value.is_object()) {
      AMK_TRY(read_section(config, path, value));
    } else {
      return knob_error(path, fmt::format("expected an object, found {}", show_json(value)));
    }
  }
  return {};
}

Status check(const ScheduleConfig& config) {
  const std::vector<KnobProblem> problems = check_knobs(config);
  if (problems.empty()) return {};
  return knob_error(problems.front().path, problems.front().message);
}

}  // namespace

std::string config_to_json(const ScheduleConfig& config) {
  OrderedJson out = OrderedJson::object();
#define AMK_KNOB_INT(field, path, default_value, min, max, step, unit, pass, doc) out[pointer(path)] = config.field;
#define AMK_KNOB_AUTO_INT(field, path, min, max, step, unit, pass, auto_doc, doc) \
  out[pointer(path)] = or_auto(config.field);
#define AMK_KNOB_AUTO_CHOICE(field, path, Type, pass, auto_doc, doc) \
  out[pointer(path)] =                                               \
      config.field ? OrderedJson(abi::k##Type##Values[static_cast<size_t>(*config.field)].name) : OrderedJson("auto");
#define AMK_KNOB_CHOICE(field, path, Type, default_value, pass, doc) \
  out[pointer(path)] = abi::k##Type##Values[static_cast<size_t>(config.field)].name;
#define AMK_KNOB_GROUPS(field, path, pass, doc) out[pointer(path)] = config.field;
#define AMK_KNOB_SMS(field, path, pass, doc) out[pointer(path)] = sms_to_json(config.field);
#include "abi/knob.def"
  return out.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

Result<ScheduleConfig> config_from_json(std::string_view text, const std::string& location) {
  AMK_ASSIGN_OR_RETURN(const Json root, model::parse_json(text, location));
  if (!root.is_object()) {
    return Error{ErrorCode::kUsage, fmt::format("expected an object of knobs, found {}", show_json(root)), location,
                 ""};
  }
  ScheduleConfig config;
  if (Status status = read_section(config, "", root); !status) {
    Error error = status.error();
    error.location = location + ": " + error.location;
    return error;
  }
  if (Status status = check(config); !status) {
    Error error = status.error();
    error.location = location + ": " + error.location;
    return error;
  }
  return config;
}

Status set_knob(ScheduleConfig& config, std::string_view path, std::string_view value) {
  Result<Json> json = model::parse_json(value, std::string(path));
  const Json parsed = json ? *json : Json(std::string(value));
  ScheduleConfig changed = config;
  AMK_TRY(read_knob(changed, path, parsed));
  AMK_TRY(check(changed));
  config = std::move(changed);
  return {};
}

namespace {

OrderedJson int_schema(uint32_t min, uint32_t max, uint32_t step, std::string_view doc) {
  OrderedJson schema = {{"type", "integer"}, {"minimum", min}, {"maximum", max}};
  if (step > 1) schema["multipleOf"] = step;
  if (!doc.empty()) schema["description"] = doc;
  return schema;
}

std::string range_words(uint32_t min, uint32_t max, uint32_t step, std::string_view unit) {
  return fmt::format("{} to {} {}{}", min, max, unit, step > 1 ? fmt::format(", a multiple of {}", step) : "");
}

OrderedJson groups_schema(std::string_view doc) {
  OrderedJson legal = OrderedJson::array();
  for (const abi::FusionInfo& row : abi::kFusions) {
    OrderedJson group = OrderedJson::array();
    std::string_view rest = row.ops;
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      group.push_back(std::string(rest.substr(0, comma)));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    legal.push_back(std::move(group));
  }
  return {{"type", "array"},
          {"items", {{"enum", legal}}},
          {"uniqueItems", true},
          {"default", default_fusion()},
          {"description", doc}};
}

OrderedJson sms_schema(std::string_view doc) {
  const auto list_of = [](const char* name, OrderedJson items) {
    return OrderedJson{{"type", "object"},
                       {"properties", {{name, {{"type", "array"}, {"items", std::move(items)}, {"minItems", 1}}}}},
                       {"required", {name}},
                       {"additionalProperties", false}};
  };
  return {{"oneOf",
           {OrderedJson{{"enum", {"round_robin", "load_balance"}}},
            list_of("measured", {{"type", "number"}, {"exclusiveMinimum", 0}}),
            list_of("explicit", {{"type", "integer"}, {"minimum", 0}})}},
          {"default", "load_balance"},
          {"description", doc}};
}

/// Places `schema` at the knob's path, making the sections on the way.
void add_property(OrderedJson& root, std::string_view path, OrderedJson schema) {
  OrderedJson* at = &root;
  while (true) {
    const size_t dot = path.find('.');
    OrderedJson& properties = (*at)["properties"];
    if (dot == std::string_view::npos) {
      properties[std::string(path)] = std::move(schema);
      return;
    }
    OrderedJson& section = properties[std::string(path.substr(0, dot))];
    if (section.is_null())
      section = {{"type", "object"}, {"additionalProperties", false}, {"properties", OrderedJson::object()}};
    at = &section;
    path.remove_prefix(dot + 1);
  }
}

}  // namespace

std::string config_schema() {
  OrderedJson root = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                      {"title", "AMK schedule"},
                      {"description", "The knobs of a schedule; what is left out keeps its default."},
                      {"type", "object"},
                      {"additionalProperties", false},
                      {"properties", OrderedJson::object()}};
#define AMK_KNOB_INT(field, path, default_value, min, max, step, unit, pass, doc)                                  \
  {                                                                                                                \
    OrderedJson schema = int_schema(                                                                               \
        min, max, step, fmt::format("{}; {}, default {}", doc, range_words(min, max, step, unit), default_value)); \
    schema["default"] = default_value;                                                                             \
    add_property(root, path, std::move(schema));                                                                   \
  }
#define AMK_KNOB_AUTO_INT(field, path, min, max, step, unit, pass, auto_doc, doc)            \
  add_property(root, path,                                                                   \
               {{"oneOf", {int_schema(min, max, step, ""), OrderedJson{{"const", "auto"}}}}, \
                {"default", "auto"},                                                         \
                {"description", fmt::format("{}; {}, or \"auto\" (default): {}", doc,        \
                                            range_words(min, max, step, unit), auto_doc)}});
#define AMK_KNOB_AUTO_CHOICE(field, path, Type, pass, auto_doc, doc)                                                   \
  {                                                                                                                    \
    std::vector<std::string_view> names = choice_names(abi::k##Type##Values);                                          \
    names.emplace_back("auto");                                                                                        \
    add_property(root, path,                                                                                           \
                 {{"enum", names},                                                                                     \
                  {"default", "auto"},                                                                                 \
                  {"description", fmt::format("{}; one of {}; \"auto\" (default): {}", doc, join(names), auto_doc)}}); \
  }
#define AMK_KNOB_CHOICE(field, path, Type, default_value, pass, doc)                                     \
  {                                                                                                      \
    const std::vector<std::string_view> names = choice_names(abi::k##Type##Values);                      \
    const char* chosen = abi::k##Type##Values[static_cast<size_t>(abi::Type::default_value)].name;       \
    add_property(root, path,                                                                             \
                 {{"enum", names},                                                                       \
                  {"default", chosen},                                                                   \
                  {"description", fmt::format("{}; one of {}, default {}", doc, join(names), chosen)}}); \
  }
#define AMK_KNOB_GROUPS(field, path, pass, doc) add_property(root, path, groups_schema(doc));
#define AMK_KNOB_SMS(field, path, pass, doc) add_property(root, path, sms_schema(doc));
#include "abi/knob.def"
  return root.dump(2) + "\n";
}

}  // namespace amk::schedule
