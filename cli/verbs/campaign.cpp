// amk validate --campaign: the validator against what is known of a great many programs. --replay: one of them.

#include "campaign/campaign.h"

#include "campaign/campaign_json.h"
#include "cli/progress.h"
#include "cli/verbs/verbs.h"

namespace amk::cli {
namespace {

constexpr uint64_t kStep = 256;  ///< programs between two looks at the clock

Result<Exit> replay(uint64_t seed, Output& output) {
  campaign::Campaign campaign;
  const campaign::Sample sample = campaign.draw(seed);
  const campaign::Judgement judgement = campaign.judge(sample);
  if (output.json()) output.document(std::string_view(campaign::judgement_to_json(sample, judgement)));
  output.text(campaign::judgement_text(sample, judgement));
  return judgement.verdict == campaign::Verdict::kAgree ? Exit::kDone : Exit::kNegative;
}

}  // namespace

Result<Exit> campaign(const ValidateOptions& options, Output& output) {
  if (options.schedule.any()) {
    return Error{ErrorCode::kUsage, "expected no schedule beside --campaign or --replay, found one", "amk validate",
                 "they draw their own"};
  }
  if (options.replay) return replay(*options.replay, output);
  Progress progress(output);
  campaign::Campaign campaign;
  const campaign::Report report = campaign.run(options.count, options.seed, [&](uint64_t done) {
    if (done % kStep != 0) return;
    progress.step("judging programs", static_cast<uint32_t>(done), static_cast<uint32_t>(options.count));
  });
  progress.stop();
  if (output.json()) output.document(std::string_view(campaign::report_to_json(report)));
  output.text(campaign::report_text(report));
  return report.agrees() ? Exit::kDone : Exit::kNegative;
}

}  // namespace amk::cli
