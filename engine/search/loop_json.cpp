#include <filesystem>

#include "base/files.h"
#include "search/loop.h"
#include "search/trial_json.h"

namespace amk::search {
namespace {

constexpr uint64_t kCorpusBytesMax = uint64_t{4} << 30;

/// A line of the corpus begins with the campaign, when it was begun, and the trial, by which it is found again.
std::string corpus_key(const Campaign& campaign, uint32_t trial) {
  const Json key = {{"campaign", campaign.name}, {"begun", campaign.begun}, {"trial", trial}};
  std::string text = key.dump();
  text.back() = ',';
  return text;
}

}  // namespace

std::string corpus_line(const Campaign& campaign, const Trial& trial) {
  Json line = {{"about", to_json(campaign.header)}};
  line.update(to_json(trial));
  line.erase("trial");
  return corpus_key(campaign, trial.number) + line.dump().substr(1);
}

Status mend_corpus(Workspace& workspace, const Campaign& campaign) {
  if (campaign.trials.empty()) return {};
  const Trial& last = campaign.trials.back();
  std::error_code ignored;
  if (std::filesystem::exists(workspace.corpus(), ignored)) {
    AMK_ASSIGN_OR_RETURN(const std::string text, read_file(workspace.corpus(), kCorpusBytesMax));
    if (text.find(corpus_key(campaign, last.number)) != std::string::npos) return {};
  }
  return workspace.append_to_corpus(corpus_line(campaign, last));
}

}  // namespace amk::search
