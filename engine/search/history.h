// Campaigns as branches, trials as commits: a history that `git log` alone can tell, and that a kill cannot break.
//
// A campaign is the branch campaign/NAME of the workspace's history repository. Its first commit is the schedule that
// it starts from. A trial that is kept is one commit. A trial that is not is two: the trial, and after it the revert
// that restores the incumbent and says what failed; the branch moves over both at once. Every commit has these files:
//
//   campaign.json   what the campaign is about (CampaignHeader)
//   schedule.json   the knobs: of the incumbent, but in a trial that is then reverted those of the candidate
//   incumbent.json  what candidates are compared with after this commit (Incumbent)
//   trial.json      the trial of this commit, or the one that it reverts (Trial); not in the first
//
// The first commit, trials and reverts are told by the trailer "Amk-Commit: start", "trial N" or "revert N" and by
// their committer. A branch with any other commit at its tip is somebody else's, and is not moved.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "search/git_repository.h"
#include "search/trial.h"
#include "search/workspace.h"

namespace amk::search {

/// A campaign as it stands.
struct Campaign {
  std::string name;
  std::string tip;  ///< id of the branch's last commit
  CampaignHeader header;
  Incumbent start;
  Incumbent incumbent;
  std::vector<Trial> trials;  ///< in order; the i-th has number i + 1
  int64_t begun = 0;          ///< seconds since 1970
  /// Drawn, and not yet at the end of their trials, in the order of drawing: of this run only, never on the disk.
  std::vector<Proposal> in_flight;
};

class History {
 public:
  /// Of a workspace whose lock this process holds. Errors and `recovered` as GitRepository::open().
  static Result<History> open(const Workspace& workspace, std::vector<std::string>& recovered);
  /// To look only, without the lock: nothing is repaired, made or moved. kBadInput where there is no history.
  static Result<History> open_to_read(const std::filesystem::path& workspace);

  [[nodiscard]] Result<std::vector<std::string>> names() const;
  /// nullopt where there is no such campaign. kBadInput where its last commit is not ours, or a file of ours is broken:
  /// the message says which commit, and nothing has changed.
  [[nodiscard]] Result<std::optional<Campaign>> read(const std::string& name) const;

  /// A new campaign. kUsage for a name that cannot be a branch's, kBadInput where there is one of that name.
  Result<Campaign> begin(const std::string& name, const CampaignHeader& header, const Incumbent& start);
  /// Adds a trial, which has the next number; where it was kept, it is the incumbent from then on. kBadInput where the
  /// branch is no longer where `campaign` saw it: nothing is overwritten, and `campaign` stays as it was.
  Status append(Campaign& campaign, const Trial& trial);

 private:
  explicit History(GitRepository repository) : repository_(std::move(repository)) {}
  GitRepository repository_;
};

/// kUsage unless it is 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.', with a letter or digit first, not ending in ".lock"
/// or with two points in a row.
Status check_campaign_name(const std::string& name);

/// How many times as fast as the start the incumbent is: the product of the ratios of the trials that were kept. Each
/// of those was measured side by side; the two ends never were, and a machine is not the same all night.
[[nodiscard]] double speedup_of(const Campaign& campaign);

}  // namespace amk::search
