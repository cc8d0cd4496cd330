#include "campaign/campaign_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "schedule/program_json.h"

namespace amk::campaign {
namespace {

using Json = nlohmann::ordered_json;

std::string text(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json flaws(const Tally& tally) {
  Json out = Json::object();
  for (uint32_t i = 0; i < explorer::kFlawCount; ++i) {
    out[explorer::flaw_name(static_cast<explorer::Flaw>(i))] = tally.flaws[i];
  }
  return out;
}

Json counts(const Tally& tally) {
  return {{"programs", tally.programs},
          {"explored", tally.explored},
          {"safe", tally.safe},
          {"unsafe", tally.unsafe},
          {"unlawful", tally.unlawful},
          {"accepted", tally.accepted},
          {"rejected", tally.rejected},
          {"unproven", tally.unproven},
          {"false_accepts", tally.false_accepts},
          {"false_rejects", tally.false_rejects},
          {"undecided", tally.undecided},
          {"flaws", flaws(tally)}};
}

const char* known_by(const Sample& sample, const Judgement& judgement) {
  if (judgement.explored) return "explorer";
  return sample.forbidden ? "construction" : "none";
}

double rate(uint64_t programs, double seconds) { return seconds > 0 ? static_cast<double>(programs) / seconds : 0; }

}  // namespace

std::string report_to_json(const Report& report) {
  Json classes = Json::object();
  for (const auto& [name, tally] : report.per_class) classes[name] = counts(tally);
  Json disagreements = Json::array();
  for (const Disagreement& one : report.disagreements) {
    disagreements.push_back({{"seed", one.seed}, {"class", one.class_name}, {"verdict", verdict_name(one.verdict)}});
  }
  const Tally& all = report.all;
  return text({{"count", all.programs},
               {"seed", report.seed},
               {"agrees", report.agrees()},
               {"safe", all.safe},
               {"unsafe", all.unsafe},
               {"unlawful", all.unlawful},
               {"explored", all.explored},
               {"accepted", all.accepted},
               {"rejected", all.rejected},
               {"false_accepts", all.false_accepts},
               {"false_rejects", all.false_rejects},
               {"unproven", all.unproven},
               {"undecided", all.undecided},
               {"real", report.real},
               {"real_accepted", report.real_accepted},
               {"real_unproven", report.real_unproven},
               {"real_tasks_max", report.real_tasks_max},
               {"flaws", flaws(all)},
               {"disagreements", std::move(disagreements)},
               {"per_class", std::move(classes)},
               {"seconds", report.seconds},
               {"validator_seconds", report.validator_seconds},
               {"programs_per_second", rate(all.programs, report.seconds)},
               {"validations_per_second", rate(all.programs, report.validator_seconds)}});
}

std::string judgement_to_json(const Sample& sample, const Judgement& judgement) {
  Json defects = Json::array();
  for (const explorer::Defect& defect : judgement.defects) defects.push_back(explorer::describe(defect));
  return text({{"seed", sample.seed},
               {"class", sample.class_name},
               {"verdict", verdict_name(judgement.verdict)},
               {"truth", explorer::truth_name(judgement.truth)},
               {"known_by", known_by(sample, judgement)},
               {"defects", std::move(defects)},
               {"outcome", validator::outcome_name(judgement.outcome)},
               {"findings", judgement.findings},
               {"program", Json::parse(schedule::program_to_json(sample.program))}});
}

std::string report_text(const Report& report) {
  std::string out = fmt::format("{:<28} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>13} {:>13}\n", "class", "programs",
                                "safe", "unsafe", "unlawful", "accepted", "rejected", "false accepts", "false rejects");
  const auto line = [&](const std::string& name, const Tally& tally) {
    out += fmt::format("{:<28} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>13} {:>13}\n", name, tally.programs, tally.safe,
                       tally.unsafe, tally.unlawful, tally.accepted, tally.rejected, tally.false_accepts,
                       tally.false_rejects);
  };
  for (const auto& [name, tally] : report.per_class) line(name, tally);
  line("all", report.all);
  out += fmt::format("unproven {}, undecided {}; real lowerings {}, accepted {}\n", report.all.unproven,
                     report.all.undecided, report.real, report.real_accepted);
  out += "first flaws:";
  for (uint32_t i = 0; i < explorer::kFlawCount; ++i) {
    out += fmt::format(" {} {}", explorer::flaw_name(static_cast<explorer::Flaw>(i)), report.all.flaws[i]);
  }
  out += fmt::format("\n{:.0f} programs a second, {:.0f} in the validator alone\n",
                     rate(report.all.programs, report.seconds), rate(report.all.programs, report.validator_seconds));
  for (const Disagreement& one : report.disagreements) {
    out += fmt::format("{}: {}; amk validate --replay {}\n", verdict_name(one.verdict), one.class_name, one.seed);
  }
  return out;
}

std::string judgement_text(const Sample& sample, const Judgement& judgement) {
  std::string out = fmt::format("{}: {}, {}; truth: {}, by {}; validator: {}\n", sample.seed, sample.class_name,
                                verdict_name(judgement.verdict), explorer::truth_name(judgement.truth),
                                known_by(sample, judgement), validator::outcome_name(judgement.outcome));
  for (const explorer::Defect& defect : judgement.defects) out += "explorer: " + explorer::describe(defect) + "\n";
  for (const std::string& finding : judgement.findings) out += "validator: " + finding + "\n";
  return out + schedule::program_to_json(sample.program);
}

}  // namespace amk::campaign
