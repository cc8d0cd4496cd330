#include "schedule/schedule_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "schedule/fusion.h"

namespace amk::schedule {
namespace {

void check_int(std::vector<KnobProblem>& out, const char* path, uint32_t value, uint32_t min, uint32_t max,
               uint32_t step) {
  if (value >= min && value <= max && value % step == 0) return;
  const std::string multiple = step == 1 ? "" : fmt::format(" that is a multiple of {}", step);
  const uint32_t clamped = value < min ? min : value > max ? max : value;
  const uint32_t nearest = std::max((min + step - 1) / step * step, clamped / step * step);
  out.push_back({path, fmt::format("expected an integer from {} to {}{}, found {}; the nearest legal value is {}", min,
                                   max, multiple, value, nearest)});
}

void check_sms(std::vector<KnobProblem>& out, const char* path, const SmAssignment& sms) {
  const bool needs_bandwidth = sms.policy == abi::SmPolicy::kMeasured;
  const bool needs_map = sms.policy == abi::SmPolicy::kExplicit;
  if (needs_bandwidth == sms.bandwidth.empty()) {
    out.push_back({path, needs_bandwidth ? "expected one bandwidth an SM with 'measured', found none"
                                         : "expected no bandwidths without 'measured'"});
  }
  if (needs_map == sms.sm_of.empty()) {
    out.push_back({path, needs_map ? "expected one SM a task with 'explicit', found none"
                                   : "expected no map without 'explicit'"});
  }
  for (const double bandwidth : sms.bandwidth) {
    if (std::isfinite(bandwidth) && bandwidth > 0) continue;
    out.push_back({path, fmt::format("expected positive bandwidths, found {}", bandwidth)});
    return;
  }
}

void check_groups(std::vector<KnobProblem>& out, const char* path, const FusionGrouping& groups) {
  static const FusionGrouping legal = default_fusion();
  if (groups == legal)
    return;  // by far the most frequent, and parsing takes longer than all that a small program needs
  const Result<std::vector<Fusion>> fusions = parse_fusions(groups);
  if (!fusions) out.push_back({path, fusions.error().message});
}

}  // namespace

FusionGrouping default_fusion() {
  return {{"rmsnorm", "qkv", "rope", "kv_append"}, {"attention", "combine"}, {"o", "residual"},
          {"rmsnorm", "gate", "up", "silu_mul"},   {"down", "residual"},     {"rmsnorm", "lm_head"}};
}

std::vector<KnobProblem> check_knobs(const ScheduleConfig& config) {
  std::vector<KnobProblem> out;
#define AMK_KNOB_INT(field, path, default_value, min, max, step, unit, pass, doc) \
  check_int(out, path, config.field, min, max, step);
#define AMK_KNOB_AUTO_INT(field, path, min, max, step, unit, pass, auto_doc, doc) \
  if (config.field) check_int(out, path, *config.field, min, max, step);
#define AMK_KNOB_GROUPS(field, path, pass, doc) check_groups(out, path, config.field);
#define AMK_KNOB_SMS(field, path, pass, doc) check_sms(out, path, config.field);
#include "abi/knob.def"
  return out;
}

}  // namespace amk::schedule
