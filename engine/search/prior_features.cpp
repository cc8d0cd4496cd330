#include "search/prior_features.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "base/text.h"
#include "schedule/target.h"
#include "search/corpus.h"

namespace amk::search {
namespace {

struct Feature {
  std::string name;
  double value;
};

double log2_of(double value) { return std::log2(std::max(value, 1.0)); }

double bits_of_dtype(std::string_view name) {
  for (const abi::DtypeInfo& row : abi::kDtypes) {
    if (name == row.name) return row.bits;
  }
  return 32;
}

/// Bits of a weight: of the format it is quantised to, or as it is stored.
double weight_bits(const CampaignHeader& about) {
  if (about.weights.starts_with("int4")) return 4;
  if (about.weights.starts_with("int8")) return 8;
  return bits_of_dtype(about.shape->stored);
}

class Collector {
 public:
  void add(std::string name, double value) { out.push_back({std::move(name), value}); }
  void size(const std::string& name, double value) { add(name, log2_of(value)); }
  void knob(const char* path, uint32_t value) { size(std::string("knob:") + path, value); }
  /// Whether it is "auto"; the program says what that came to.
  void auto_knob(const char* path, std::optional<uint32_t> value) {
    add(std::string("knob:") + path + ":auto", value ? 0 : 1);
    size(std::string("knob:") + path, value.value_or(1));
  }
  template <size_t N>
  void choice(const std::string& name, const abi::ChoiceInfo (&values)[N], size_t value) {
    for (size_t i = 0; i < N; ++i) add(name + ":" + values[i].name, i == value ? 1 : 0);
  }
  void groups(const char* path, const schedule::FusionGrouping& grouping) {
    for (const abi::FusionInfo& row : abi::kFusions) {
      const bool there = std::ranges::any_of(grouping, [&](const std::vector<std::string>& group) {
        const std::vector<std::string_view> ops(group.begin(), group.end());
        return join(ops, ",") == row.ops;
      });
      add(std::string("knob:") + path + ":" + row.ops, there ? 1 : 0);
    }
  }

  std::vector<Feature> out;
};

void add_knobs(const schedule::ScheduleConfig& config, Collector& to) {
#define AMK_KNOB_INT(field, path, ...) to.knob(path, config.field);
#define AMK_KNOB_AUTO_INT(field, path, ...) to.auto_knob(path, config.field);
#define AMK_KNOB_AUTO_CHOICE(field, path, ...) to.add("knob:" path ":auto", config.field ? 0 : 1);
#define AMK_KNOB_CHOICE(field, path, Type, ...) \
  to.choice("knob:" path, abi::k##Type##Values, static_cast<size_t>(config.field));
#define AMK_KNOB_GROUPS(field, path, ...) to.groups(path, config.field);
#define AMK_KNOB_SMS(field, path, ...) \
  to.choice("knob:" path, abi::kSmPolicyValues, static_cast<size_t>(config.field.policy));
#include "abi/knob.def"
}

/// What "auto" came to among it.
void add_program(const ProgramFacts& facts, const ModelShape& shape, const abi::TargetInfo& target, Collector& to) {
  const double layers = shape.layers;
  to.size("program:stages", facts.stages);
  to.size("program:stage_bytes", facts.stage_bytes);
  to.size("program:ring_bytes", static_cast<double>(facts.stages) * facts.stage_bytes);
  to.size("program:smem_bytes", facts.smem_bytes);
  to.size("program:copies_in_flight", facts.copies_in_flight);
  to.choice("program:stream_backend", abi::kStreamBackendValues, static_cast<size_t>(facts.stream_backend));
  to.choice("program:products", abi::kProductsValues, static_cast<size_t>(facts.products));
  to.add("program:levels_per_layer", facts.levels / layers);
  to.size("program:tasks_per_layer", facts.tasks / layers);
  to.size("program:tasks_per_sm_and_level", 16.0 * facts.tasks / target.sms / std::max(facts.levels, 1U));
  to.size("program:attention_tasks_per_layer", facts.attention_tasks / layers);
}

void add_model(const CampaignHeader& about, const abi::TargetInfo& target, Collector& to) {
  const ModelShape& shape = *about.shape;
  to.size("model:hidden", shape.hidden);
  to.size("model:layers", shape.layers);
  to.size("model:heads", shape.heads);
  to.size("model:kv_heads", shape.kv_heads);
  to.size("model:head_dim", shape.head_dim);
  to.size("model:intermediate", shape.intermediate);
  to.size("model:vocab", shape.vocab);
  to.add("model:tied", shape.tied_head ? 1 : 0);
  to.size("model:weight_bits", weight_bits(about));
  to.size("model:kv_bits", bits_of_dtype(about.kv_dtype));
  to.size("model:context", about.context);
  to.size("model:position", about.position + 1.0);
  to.size("target:sms", target.sms);
  to.size("target:bandwidth", target.bandwidth_gbps);
  to.size("target:l2", target.l2_mb);
}

void add_cost(const ProgramFacts& facts, Collector& to) {
  to.add("cost:log_latency_over_floor", std::log(facts.predicted_us / facts.floor_us));
  to.add("cost:log_floor", std::log(facts.floor_us));
  to.add("cost:log_stream", std::log(std::max(facts.stream_us, 1e-3)));
  to.add("cost:log_wait", std::log(std::max(facts.wait_us, 1e-3)));
  to.add("cost:wait_share", facts.wait_us / facts.predicted_us);
}

std::vector<Feature> all_of(const schedule::ScheduleConfig& config, const ProgramFacts& facts,
                            const CampaignHeader& about) {
  AMK_ASSERT(about.shape, "a prior knows the model's shape");
  const abi::TargetInfo& target = **schedule::find_target(about.target);
  Collector to;
  add_knobs(config, to);
  add_program(facts, *about.shape, target, to);
  add_model(about, target, to);
  add_cost(facts, to);
  return std::move(to.out);
}

}  // namespace

const std::vector<std::string>& prior_feature_names() {
  static const std::vector<std::string> names = [] {
    CampaignHeader about;
    about.target = schedule::target_names().front();
    about.shape = ModelShape{1, 1, 1, 1, 1, 1, 1, false, "f32"};
    ProgramFacts facts;
    facts.predicted_us = facts.floor_us = 1;
    std::vector<std::string> out;
    for (Feature& feature : all_of({}, facts, about)) out.push_back(std::move(feature.name));
    return out;
  }();
  return names;
}

std::vector<double> prior_features(const schedule::ScheduleConfig& config, const ProgramFacts& facts,
                                   const CampaignHeader& about) {
  std::vector<double> out;
  for (const Feature& feature : all_of(config, facts, about)) out.push_back(feature.value);
  return out;
}

}  // namespace amk::search
