#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/files.h"
#include "search/corpus.h"
#include "search/trial_json.h"

namespace amk::search {
namespace {

constexpr uint64_t kCorpusBytesMax = uint64_t{4} << 30;

Result<CorpusTrial> trial_of(std::string_view line, const std::string& location) {
  CorpusTrial out;
  try {
    const Json json = Json::parse(line);
    out.campaign = json.at("campaign").get<std::string>();
    out.begun = json.at("begun").get<int64_t>();
    AMK_ASSIGN_OR_RETURN(out.about, header_from_json(json.at("about").dump(), location));
  } catch (const Json::exception& problem) {
    return Error{ErrorCode::kBadInput, std::string("expected a line of a corpus: ") + problem.what(), location,
                 "remove that line, or leave the file out"};
  }
  AMK_ASSIGN_OR_RETURN(out.trial, trial_from_json(line, location));
  out.line = line;
  return out;
}

/// A campaign's trials stand together, in order. Two of one name may have begun in one second, on two machines.
auto order_of(const CorpusTrial& of) {
  return std::tuple(std::tie(of.about.model_name, of.about.weights, of.about.target, of.campaign, of.begun),
                    to_json(of.about).dump(), of.trial.number);
}

bool same_trial(const CorpusTrial& a, const CorpusTrial& b) { return order_of(a) == order_of(b); }

}  // namespace

Result<Corpus> corpus_from_text(std::string_view text, const std::string& location) {
  Corpus out;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \r\t") == std::string_view::npos) continue;
    Result<CorpusTrial> trial = trial_of(line, fmt::format("{}:{}", location, number));
    if (trial) {
      out.trials.push_back(std::move(*trial));
      continue;
    }
    if (!text.empty()) return trial.error();
    out.notes.push_back(fmt::format("{}:{}: the last line is not whole, and is passed over", location, number));
  }
  return out;
}

Result<Corpus> read_corpus(const std::filesystem::path& path) {
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(path, kCorpusBytesMax));
  return corpus_from_text(text, path.string());
}

Result<Corpus> merge_corpora(std::vector<Corpus> corpora) {
  Corpus out;
  for (Corpus& corpus : corpora) {
    std::move(corpus.trials.begin(), corpus.trials.end(), std::back_inserter(out.trials));
    std::move(corpus.notes.begin(), corpus.notes.end(), std::back_inserter(out.notes));
  }
  std::ranges::stable_sort(out.trials, [](const CorpusTrial& a, const CorpusTrial& b) {
    return std::tuple(order_of(a), std::tie(a.line)) < std::tuple(order_of(b), std::tie(b.line));
  });
  const auto same_line = [](const CorpusTrial& a, const CorpusTrial& b) { return a.line == b.line; };
  out.trials.erase(std::unique(out.trials.begin(), out.trials.end(), same_line), out.trials.end());
  for (size_t i = 1; i < out.trials.size(); ++i) {
    const CorpusTrial& of = out.trials[i];
    if (!same_trial(out.trials[i - 1], of)) continue;
    return Error{
        ErrorCode::kBadInput,
        fmt::format("expected one trial {} of campaign {}, found two that differ", of.trial.number, of.campaign),
        "corpus", "leave out the file whose line was changed"};
  }
  return out;
}

std::string corpus_text(const Corpus& corpus) {
  std::string out;
  for (const CorpusTrial& of : corpus.trials) out += of.line + "\n";
  return out;
}

std::string shape_text(const ModelShape& of) {
  return fmt::format("hidden {}, {} layers, {} heads, {} kv heads of {}, intermediate {}, vocab {}{}", of.hidden,
                     of.layers, of.heads, of.kv_heads, of.head_dim, of.intermediate, of.vocab,
                     of.tied_head ? ", tied" : "");
}

bool same_campaign(const CorpusTrial& a, const CorpusTrial& b) {
  return a.campaign == b.campaign && a.begun == b.begun && a.about == b.about;
}

std::string group_of(const CampaignHeader& about) {
  return fmt::format("{} {} {} {} caches of {} position {} {}", about.model_name, about.weights, about.target,
                     about.kv_dtype, about.context, about.position, latency_kind_text(about.kind));
}

}  // namespace amk::search
