#include "search/prior_features.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace amk::search {
namespace {

/// Sizes span many octaves where a knob's value is 0 or 1: an octave counts as much as this share of a value.
constexpr double kOctave = 0.3;

class Collector {
 public:
  /// Of plain and of quantised weights a knob's worth is not the same: what both have in common, and what is its own.
  explicit Collector(const CampaignHeader& about) : own_(about.weights == "stored" ? "stored " : "quantised ") {}

  void is(const std::string& name) {
    out.push_back({own_ + name, 1});
    out.push_back({name, 1});
  }
  void size(const std::string& name, double value) { out.push_back({name, kOctave * std::log2(std::max(value, 1.0))}); }

  void knob(const std::string& path, uint32_t value) {
    is("knob:" + path + "=" + std::to_string(value));
    size("knob:" + path, value);
  }
  /// The program says what "auto" came to.
  void auto_knob(const std::string& path, std::optional<uint32_t> value) {
    if (value) return is("knob:" + path + "=" + std::to_string(*value));
    is("knob:" + path + "=auto");
  }
  template <size_t N>
  void choice(const std::string& name, const abi::ChoiceInfo (&values)[N], size_t value) {
    is(name + "=" + values[value].name);
  }
  void groups(const std::string& path, const schedule::FusionGrouping& grouping) {
    for (const std::vector<std::string>& group : grouping) {
      const std::vector<std::string_view> ops(group.begin(), group.end());
      is("knob:" + path + ":" + join(ops, ","));
    }
  }

  std::vector<PriorFeature> out;

 private:
  std::string own_;
};

void add_knobs(const schedule::ScheduleConfig& config, Collector& to) {
#define AMK_KNOB_INT(field, path, ...) to.knob(path, config.field);
#define AMK_KNOB_AUTO_INT(field, path, ...) to.auto_knob(path, config.field);
#define AMK_KNOB_CHOICE(field, path, Type, ...) \
  to.choice("knob:" path, abi::k##Type##Values, static_cast<size_t>(config.field));
#define AMK_KNOB_GROUPS(field, path, ...) to.groups(path, config.field);
#define AMK_KNOB_SMS(field, path, ...) \
  to.choice("knob:" path, abi::kSmPolicyValues, static_cast<size_t>(config.field.policy));
#include "abi/knob.def"
}

}  // namespace

// Of a knob that is chosen by itself counts what it came to: what "auto" stands for may change from build to build.
std::vector<PriorFeature> prior_features(const schedule::ScheduleConfig& config, const ProgramFacts& facts,
                                         const CampaignHeader& about) {
  Collector to(about);
  add_knobs(config, to);
  to.size("program:stages", facts.stages);
  to.size("program:stage_bytes", facts.stage_bytes);
  to.size("program:smem_bytes", facts.smem_bytes);
  to.size("program:copies_in_flight", facts.copies_in_flight);
  to.size("program:attention_tasks", facts.attention_tasks);
  to.choice("program:stream_backend", abi::kStreamBackendValues, static_cast<size_t>(facts.stream_backend));
  to.choice("program:products", abi::kProductsValues, static_cast<size_t>(facts.products));
  to.out.push_back({"cost:log_latency", std::log(facts.predicted_us)});
  return std::move(to.out);
}

}  // namespace amk::search
