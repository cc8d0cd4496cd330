// The corpus: every trial of every campaign, a line of JSON each. What a prior is learned from, here or elsewhere.
//
// Reads, merges and writes; owns no file. A line is the campaign's key, what it is about, and the trial
// (data/corpus/README.md). Keys that this version does not know are passed over: a line's text is kept as it was.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "search/trial.h"

namespace amk::search {

struct CorpusTrial {
  std::string campaign;
  int64_t begun = 0;  ///< seconds since 1970; with the campaign's name it tells campaigns apart
  CampaignHeader about;
  Trial trial;
  std::string line;  ///< as it was read, without its line break
};

struct Corpus {
  std::vector<CorpusTrial> trials;
  std::vector<std::string> notes;  ///< what was passed over
};

/// kBadInput with the line's number where a line is none of a corpus; the last one, which a killed process may have
/// left half written, is passed over with a note.
Result<Corpus> corpus_from_text(std::string_view text, const std::string& location);
/// The same of a file; kIo where it cannot be read.
Result<Corpus> read_corpus(const std::filesystem::path& path);

/// Both together: each line once, sorted by model, weights, target, campaign and trial. kBadInput where two different
/// lines claim to be the same trial.
Result<Corpus> merge_corpora(std::vector<Corpus> corpora);

/// The lines, each with its break.
[[nodiscard]] std::string corpus_text(const Corpus& corpus);

/// The sizes in one line: trials of models with the same say the same.
[[nodiscard]] std::string shape_text(const ModelShape& shape);

/// Whether two trials are of one campaign.
[[nodiscard]] bool same_campaign(const CorpusTrial& a, const CorpusTrial& b);

/// Trials of one model, weight format, KV caches, position, target and kind: those whose latencies can be compared. The
/// name of the group.
[[nodiscard]] std::string group_of(const CampaignHeader& about);

}  // namespace amk::search
