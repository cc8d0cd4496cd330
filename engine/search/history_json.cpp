#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/assert.h"
#include "schedule/schedule_config_json.h"
#include "search/history.h"
#include "search/trial_json.h"

namespace amk::search {
namespace {

constexpr std::string_view kPrefix = "campaign/";
constexpr std::string_view kTrailer = "Amk-Commit: ";
constexpr size_t kNameMax = 64;

std::string branch_of(const std::string& name) { return std::string(kPrefix) + name; }

enum class Role : uint8_t { kForeign, kStart, kTrial, kRevert };

/// What a commit is, by its last line and by who wrote it.
Role role_of(const GitCommit& commit) {
  if (commit.committer_email != kCommitterEmail) return Role::kForeign;
  const size_t at = commit.message.rfind("\n" + std::string(kTrailer));
  if (at == std::string::npos) return Role::kForeign;
  const std::string_view role = std::string_view(commit.message).substr(at + 1 + kTrailer.size());
  if (role.starts_with("start")) return Role::kStart;
  if (role.starts_with("trial ")) return Role::kTrial;
  if (role.starts_with("revert ")) return Role::kRevert;
  return Role::kForeign;
}

// ---- messages -------------------------------------------------------------------------------------------------------

std::string latency_line(const Measurement& of) {
  return fmt::format("latency {:.2f} us, the incumbent's {:.2f} us, the floor {:.2f} us ({}, position {})",
                     of.latency_us, of.incumbent_us, of.floor_us, latency_kind_text(of.kind), of.position);
}

/// A subject line holds no line break, and not too much.
std::string one_line(std::string text, size_t max = 200) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text.size() <= max ? text : text.substr(0, max - 3) + "...";
}

std::string facts_of(const Trial& trial) {
  std::string out = fmt::format("proposed by {}", one_line(trial.proposal.proposer));
  if (!trial.proposal.note.empty()) out += ": " + one_line(trial.proposal.note);
  out += "\n";
  if (!trial.schedule_id.empty()) out += fmt::format("schedule {}\n", trial.schedule_id);
  const Correctness& of = trial.correctness;
  if (of.established) {
    out +=
        fmt::format("{} on {}: {} positions, error {:.3g}, tolerance {:.3g}\n", of.correct ? "correct" : "not correct",
                    of.device, of.compared_positions, of.max_abs_err, of.tolerance);
  }
  if (trial.measurement) out += latency_line(*trial.measurement) + "\n";
  return out;
}

constexpr size_t kBodyMax = 4000;

std::string trial_message(const Trial& trial) {
  const bool kept = trial.outcome == Outcome::kKept;
  const std::string subject = one_line(trial.proposal.change);
  const std::string whole = one_line(trial.proposal.change, kBodyMax);
  return fmt::format("trial {}: {}{}\n\n{}{}{}\n{}trial {}\n", trial.number, subject, kept ? ": kept" : "",
                     subject == whole ? "" : whole + "\n\n", kept ? one_line(trial.reason, 1000) + "\n\n" : "",
                     facts_of(trial), kTrailer, trial.number);
}

std::string revert_message(const Trial& trial, const Incumbent& incumbent) {
  return fmt::format("revert trial {}: {}\n\n{} ({}): {}\nback to schedule {} of trial {}\n\n{}revert {}\n",
                     trial.number, one_line(trial.reason, 120), one_line(trial.proposal.change, kBodyMax),
                     kOutcomeNames[static_cast<size_t>(trial.outcome)], one_line(trial.reason, 1000),
                     incumbent.schedule_id, incumbent.trial, kTrailer, trial.number);
}

std::string start_message(const std::string& name, const CampaignHeader& header, const Incumbent& start) {
  return fmt::format(
      "campaign {}: {} on {}\n\nstarts from schedule {}: {:.2f} us, the floor {:.2f} us ({}, position {}), seed {}\n\n"
      "{}start\n",
      name, header.model_name, header.target, start.schedule_id, start.latency_us, start.floor_us,
      latency_kind_text(header.kind), header.position, header.seed, kTrailer);
}

// ---- files ----------------------------------------------------------------------------------------------------------

std::vector<GitFile> files_of(const CampaignHeader& header, const schedule::ScheduleConfig& shown,
                              const Incumbent& incumbent, const Trial* trial) {
  std::vector<GitFile> out = {{"campaign.json", to_json(header).dump(2) + "\n"},
                              {"schedule.json", Json::parse(schedule::config_to_json(shown)).dump(2) + "\n"},
                              {"incumbent.json", to_json(incumbent).dump(2) + "\n"}};
  if (trial != nullptr) out.push_back({"trial.json", to_json(*trial).dump(2) + "\n"});
  return out;
}

Result<std::string> needed_file(const GitRepository& repository, const std::string& commit, const std::string& name) {
  AMK_ASSIGN_OR_RETURN(const std::optional<std::string> text, repository.file(commit, name));
  if (text) return *text;
  return Error{ErrorCode::kBadInput, fmt::format("expected a file {}, found none", name), "commit " + commit, ""};
}

template <typename T>
Result<T> read_needed(const GitRepository& repository, const std::string& commit, const std::string& name,
                      Result<T> (*read)(std::string_view, const std::string&)) {
  AMK_ASSIGN_OR_RETURN(const std::string text, needed_file(repository, commit, name));
  return read(text, fmt::format("commit {}, {}", commit, name));
}

Error foreign(const std::string& name, const GitCommit& commit) {
  return {ErrorCode::kBadInput,
          fmt::format("expected a commit of campaign {}, found commit {} by {}", name, commit.id.substr(0, 12),
                      one_line(commit.author_name, 60)),
          branch_of(name),
          "nothing was changed; move that commit to a branch of its own, or begin a campaign of another name"};
}

}  // namespace

Status check_campaign_name(const std::string& name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  const bool legal =
      !name.empty() && name.size() <= kNameMax && plain(name.front()) && name.find("..") == std::string::npos &&
      !name.ends_with(".lock") && !name.ends_with(".") &&
      std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '-' || c == '_' || c == '.'; });
  if (legal) return {};
  return Error{ErrorCode::kUsage,
               fmt::format("expected a name of at most {} letters, digits, '-', '_' and '.', found '{}'", kNameMax,
                           one_line(name, 80)),
               "--campaign", ""};
}

double speedup_of(const Campaign& campaign) {
  double out = 1;
  for (const Trial& trial : campaign.trials) {
    if (trial.outcome == Outcome::kKept && trial.measurement) out /= trial.measurement->ratio.value;
  }
  return out;
}

Result<History> History::open(const Workspace& workspace, std::vector<std::string>& recovered) {
  AMK_ASSIGN_OR_RETURN(GitRepository repository, GitRepository::open(workspace.history(), recovered));
  return History(std::move(repository));
}

Result<History> History::open_to_read(const std::filesystem::path& workspace) {
  AMK_ASSIGN_OR_RETURN(GitRepository repository, GitRepository::open_to_read(workspace / "history"));
  return History(std::move(repository));
}

Result<std::vector<std::string>> History::names() const {
  AMK_ASSIGN_OR_RETURN(std::vector<std::string> out, repository_.branches(kPrefix));
  for (std::string& name : out) name.erase(0, kPrefix.size());
  return out;
}

Result<std::optional<Campaign>> History::read(const std::string& name) const {
  AMK_TRY(check_campaign_name(name));
  AMK_ASSIGN_OR_RETURN(const std::optional<std::string> tip, repository_.tip(branch_of(name)));
  if (!tip) return std::optional<Campaign>();
  Campaign out;
  out.name = name;
  out.tip = *tip;
  AMK_ASSIGN_OR_RETURN(out.header, read_needed(repository_, *tip, "campaign.json", header_from_json));
  AMK_ASSIGN_OR_RETURN(out.incumbent, read_needed(repository_, *tip, "incumbent.json", incumbent_from_json));
  for (std::string id = *tip; !id.empty();) {
    AMK_ASSIGN_OR_RETURN(const GitCommit commit, repository_.commit(id));
    const Role role = role_of(commit);
    if (role == Role::kForeign || (role == Role::kStart) != commit.parents.empty() || commit.parents.size() > 1)
      return foreign(name, commit);
    if (role == Role::kTrial) {
      AMK_ASSIGN_OR_RETURN(Trial trial, read_needed(repository_, id, "trial.json", trial_from_json));
      out.trials.push_back(std::move(trial));
    }
    if (role == Role::kStart) {
      AMK_ASSIGN_OR_RETURN(out.start, read_needed(repository_, id, "incumbent.json", incumbent_from_json));
      out.begun = commit.time;
    }
    id = commit.parents.empty() ? "" : commit.parents.front();
  }
  std::reverse(out.trials.begin(), out.trials.end());
  for (size_t i = 0; i < out.trials.size(); ++i) {
    if (out.trials[i].number == i + 1) continue;
    return Error{ErrorCode::kBadInput, fmt::format("expected trial {}, found trial {}", i + 1, out.trials[i].number),
                 branch_of(name), "somebody has rewritten the branch; begin a campaign of another name"};
  }
  Incumbent followed = out.start;
  for (const Trial& trial : out.trials) {
    if (trial.outcome == Outcome::kKept && trial.measurement) followed = incumbent_after(followed, trial);
  }
  out.incumbent.behind_best = followed.behind_best;
  return std::optional(std::move(out));
}

Result<Campaign> History::begin(const std::string& name, const CampaignHeader& header, const Incumbent& start) {
  AMK_TRY(check_campaign_name(name));
  AMK_ASSIGN_OR_RETURN(
      const std::string id,
      repository_.write_commit("", files_of(header, start.config, start, nullptr), start_message(name, header, start)));
  AMK_TRY(repository_.move_branch(branch_of(name), std::nullopt, id));
  AMK_TRY(repository_.show_first(branch_of(name)));
  AMK_ASSIGN_OR_RETURN(const GitCommit commit, repository_.commit(id));
  return Campaign{name, id, header, start, start, {}, commit.time, {}};
}

Status History::append(Campaign& campaign, const Trial& trial) {
  AMK_ASSERT(trial.number == campaign.trials.size() + 1, "trials are numbered without holes");
  const bool kept = trial.outcome == Outcome::kKept;
  const Incumbent after = kept ? incumbent_after(campaign.incumbent, trial) : campaign.incumbent;
  AMK_ASSIGN_OR_RETURN(
      std::string id,
      repository_.write_commit(campaign.tip, files_of(campaign.header, trial.proposal.config, after, &trial),
                               trial_message(trial)));
  if (!kept) {
    AMK_ASSIGN_OR_RETURN(id, repository_.write_commit(id, files_of(campaign.header, after.config, after, &trial),
                                                      revert_message(trial, after)));
  }
  AMK_TRY(repository_.move_branch(branch_of(campaign.name), campaign.tip, id));
  campaign.tip = std::move(id);
  campaign.incumbent = after;
  campaign.trials.push_back(trial);
  return {};
}

}  // namespace amk::search
