#include "cli/loop_prior.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/files.h"

namespace amk::cli {
namespace {

namespace fs = std::filesystem;

fs::path snapshot_path(const search::Workspace& workspace, const std::string& id) {
  return workspace.corpus().parent_path() / "priors" / (id + ".jsonl");
}

Status keep_snapshot(const search::Workspace& workspace, const search::Prior& prior) {
  const fs::path path = snapshot_path(workspace, prior.id());
  std::error_code problem;
  fs::create_directories(path.parent_path(), problem);
  return write_file_atomic(path, prior.snapshot());
}

/// Trials that priors are learned from: of the workspace, unless a file is named in its place, and of --corpus.
Result<search::Corpus> corpus_of(const LoopOptions& options, const search::Workspace& workspace) {
  std::vector<fs::path> paths(options.corpora.begin(), options.corpora.end());
  std::error_code problem;
  if (options.prior != "auto") {
    paths.emplace_back(options.prior);
  } else if (fs::exists(workspace.corpus(), problem)) {
    paths.push_back(workspace.corpus());
  }
  std::vector<search::Corpus> read;
  for (const fs::path& path : paths) {
    AMK_ASSIGN_OR_RETURN(search::Corpus corpus, search::read_corpus(path));
    read.push_back(std::move(corpus));
  }
  return search::merge_corpora(std::move(read));
}

Result<search::Prior> had_again(const search::Workspace& workspace, const search::CampaignHeader& there) {
  AMK_ASSIGN_OR_RETURN(const search::Corpus corpus, search::read_corpus(snapshot_path(workspace, there.prior)));
  AMK_ASSIGN_OR_RETURN(search::Prior prior, search::Prior::learn(corpus, there.kind, there.target));
  if (prior.id() == there.prior) return prior;
  return Error{ErrorCode::kBadInput, fmt::format("expected prior {}, found {}", there.prior, prior.id()),
               snapshot_path(workspace, there.prior).string(), ""};
}

Result<std::optional<search::Prior>> of_campaign(const LoopOptions& options, const search::Workspace& workspace,
                                                 const search::CampaignHeader& there, std::vector<std::string>& notes) {
  if (options.prior != "auto" || !options.corpora.empty()) {
    return Error{ErrorCode::kUsage, "expected no --prior or --corpus for a campaign that goes on, found one", "--prior",
                 "it keeps the prior that it began with; give a new one another --campaign"};
  }
  if (there.prior.empty()) return std::optional<search::Prior>();
  Result<search::Prior> prior = had_again(workspace, there);
  if (prior) return std::optional(std::move(*prior));
  notes.push_back(fmt::format("the campaign goes on without its prior {}: {}", there.prior, prior.error().text()));
  return std::optional<search::Prior>();
}

}  // namespace

Result<std::optional<search::Prior>> prior_for(const LoopOptions& options, const search::Workspace& workspace,
                                               const search::CampaignHeader* there, eval::LatencyKind kind,
                                               const std::string& target, std::vector<std::string>& notes) {
  if (options.sample || !options.proposer.empty()) return std::optional<search::Prior>();
  if (there != nullptr) return of_campaign(options, workspace, *there, notes);
  if (options.prior == "none") return std::optional<search::Prior>();
  Result<search::Corpus> read = corpus_of(options, workspace);
  if (!read) {
    // What nobody asked for by name ends no campaign.
    if (options.prior != "auto" || !options.corpora.empty()) return read.error();
    notes.push_back("no prior: " + read.error().text());
    return std::optional<search::Prior>();
  }
  const search::Corpus& corpus = *read;
  notes.insert(notes.end(), corpus.notes.begin(), corpus.notes.end());
  Result<search::Prior> prior = search::Prior::learn(corpus, kind, target);
  if (!prior && options.prior != "auto") return prior.error();
  if (!prior) {
    if (!corpus.trials.empty()) notes.push_back("no prior: " + prior.error().text());
    return std::optional<search::Prior>();
  }
  AMK_TRY(keep_snapshot(workspace, *prior));
  notes.push_back(prior->text());
  return std::optional(std::move(*prior));
}

}  // namespace amk::cli
