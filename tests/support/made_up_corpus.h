// Campaigns over a made-up machine, whose best schedule is known: for tests of what is learned from a corpus.
//
// The cost model knows nothing but how many groups are fused. What really counts is how many copies are in flight (8 is
// best), the size of the attention's blocks and the threads, alike in every shape.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "search/corpus.h"
#include "search/sampler.h"
#include "search/trial_json.h"

namespace amk::test {

inline search::CampaignHeader made_up_header(uint32_t hidden,
                                             eval::LatencyKind kind = eval::LatencyKind::kMeasuredGpu) {
  search::CampaignHeader out{"m", "m" + std::to_string(hidden), "h100", "Made-up H100", "stored", "f32", 2048, 0, kind,
                             1};
  out.shape = search::ModelShape{hidden, 16, hidden / 64, hidden / 256, 64, hidden * 3, 32000, false, "bf16"};
  return out;
}

inline search::ProgramFacts made_up_facts(const schedule::ScheduleConfig& config, const search::ModelShape& shape) {
  search::ProgramFacts out;
  const double base = shape.hidden / 8.0;
  out.predicted_us = base * (1 + 0.05 * std::abs(5.0 - static_cast<double>(config.fusion_grouping.size())));
  out.floor_us = 0.6 * base;
  out.stream_us = 0.7 * out.predicted_us;
  out.wait_us = 0.3 * out.predicted_us;
  out.levels = 80;
  out.tasks = 10000;
  out.attention_tasks = 512;
  out.stages = config.pipelining_depth.value_or(8);
  out.stage_bytes = 16384;
  out.smem_bytes = 200000;
  out.copies_in_flight = config.copies_in_flight.value_or(2);
  return out;
}

inline double made_up_latency_us(const schedule::ScheduleConfig& config, const search::ModelShape& shape) {
  const double copies = std::abs(std::log2(config.copies_in_flight.value_or(2)) - 3);
  const double block = std::abs(std::log2(config.attention_kv_block) - 7);
  const double threads = config.threads_per_block < 256 ? 0.15 : 0;
  return made_up_facts(config, shape).predicted_us * std::exp(0.08 * copies + 0.04 * block + threads);
}

/// A trial of `config` against `incumbent_us`, which it replaces where it is faster by 1%. `drift` is what the machine
/// is slower by: both are, so that the ratio does not say it.
inline search::Trial made_up_trial(uint32_t number, const schedule::ScheduleConfig& config,
                                   const search::CampaignHeader& about, double& incumbent_us, double drift = 1) {
  search::Trial out;
  out.number = number;
  out.proposal = {config, "a change", "", "sample", "", std::nullopt};
  out.schedule_id = "000000000000";
  out.facts = made_up_facts(config, *about.shape);
  const double us = made_up_latency_us(config, *about.shape);
  const double ratio = us / incumbent_us;
  out.measurement = search::Measurement{
      about.kind, us * drift, incumbent_us * drift, out.facts->floor_us, {ratio, ratio, ratio}, 20, 0};
  out.outcome = ratio < 0.99 ? search::Outcome::kKept : search::Outcome::kReverted;
  if (out.outcome == search::Outcome::kKept) incumbent_us = us;
  return out;
}

inline search::CorpusTrial made_up_line(const std::string& campaign, const search::CampaignHeader& about,
                                        const search::Trial& trial) {
  search::Json line = {{"campaign", campaign}, {"begun", 1000}, {"about", to_json(about)}};
  line.update(to_json(trial));
  return {campaign, 1000, about, trial, line.dump()};
}

/// `count` schedules that are drawn with `seed`.
inline search::Corpus made_up_campaign(const std::string& campaign, const search::CampaignHeader& about, uint32_t count,
                                       uint64_t seed) {
  search::Corpus out;
  Random random(seed);
  double incumbent_us = made_up_latency_us({}, *about.shape);
  for (uint32_t i = 1; i <= count; ++i) {
    const schedule::ScheduleConfig config = search::sample_near({}, 4, random);
    const double drift = 1 + 0.2 * random.uniform();
    out.trials.push_back(made_up_line(campaign, about, made_up_trial(i, config, about, incumbent_us, drift)));
  }
  return out;
}

inline search::Corpus made_up_corpus(eval::LatencyKind kind = eval::LatencyKind::kMeasuredGpu) {
  std::vector<search::Corpus> all;
  for (const uint32_t hidden : {1024U, 2048U, 3072U, 4096U}) {
    const std::string name = "c" + std::to_string(hidden);
    all.push_back(made_up_campaign(name, made_up_header(hidden, kind), 80, hidden));
  }
  return search::merge_corpora(std::move(all)).value();
}

}  // namespace amk::test
