// One fault, one finding: what many tasks say of the same fault is said once, with the first of them and their number.
//
// Findings are alike when they differ in nothing but the task at fault, and races when they share a task and a buffer.
// Nothing is lost but repetition: whoever mends the finding mends all that were gathered into it, or sees the rest of
// them next time.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "validator/context.h"

namespace amk::validator {
namespace {

using abi::Rule;

constexpr size_t kTasksShown = 8;

bool is_race(const Finding& finding) { return finding.rule == Rule::kReadWrite || finding.rule == Rule::kWriteWrite; }

/// What must be equal, apart from the first task.
auto place_of(const Finding& finding) {
  return std::tuple(finding.rule, finding.buffer.index(), finding.begin, finding.end, finding.tasks.size());
}

bool are_alike(const Finding& a, const Finding& b) {
  return place_of(a) == place_of(b) && std::equal(a.tasks.begin() + 1, a.tasks.end(), b.tasks.begin() + 1) &&
         a.message == b.message && a.mend == b.mend;
}

/// A finding that others were gathered into.
struct Gathered {
  std::vector<TaskId> others;
  std::vector<uint32_t> absorbed;  ///< indices of findings
};

class Gatherer {
 public:
  explicit Gatherer(std::vector<Finding>& findings) : findings_(findings) {}

  void run() {
    for (uint32_t i = 0; i < findings_.size(); ++i) {
      if (findings_[i].tasks.empty()) continue;
      if (is_race(findings_[i])) {
        gather_race(i);
      } else {
        gather_alike(i);
      }
    }
    for (auto& [leader, gathered] : gathered_) describe_group(findings_[leader], gathered);
    std::vector<uint32_t> gone;
    for (const auto& [leader, gathered] : gathered_) {
      gone.insert(gone.end(), gathered.absorbed.begin(), gathered.absorbed.end());
    }
    std::sort(gone.begin(), gone.end());
    uint32_t index = 0;
    std::erase_if(findings_, [&](const Finding&) { return std::binary_search(gone.begin(), gone.end(), index++); });
  }

 private:
  void gather_alike(uint32_t i) {
    std::vector<uint32_t>& leaders = alike_[place_of(findings_[i])];
    for (const uint32_t leader : leaders) {
      if (are_alike(findings_[leader], findings_[i])) return absorb(leader, i, findings_[i].tasks.front());
    }
    if (leaders.size() < kLeadersMax) leaders.push_back(i);
  }

  /// Races of one task over one buffer are one: with its many readers, or with the many tasks that it should have
  /// waited for.
  void gather_race(uint32_t i) {
    const Finding& race = findings_[i];
    for (const size_t common : {0U, 1U}) {
      const auto key = std::tuple(race.rule, race.buffer.index(), common, race.tasks[common].index());
      if (const auto found = races_.find(key); found != races_.end()) {
        return absorb(found->second, i, race.tasks[1 - common]);
      }
    }
    for (const size_t common : {0U, 1U}) {
      races_.emplace(std::tuple(race.rule, race.buffer.index(), common, race.tasks[common].index()), i);
    }
  }

  void absorb(uint32_t leader, uint32_t i, TaskId other) {
    gathered_[leader].absorbed.push_back(i);
    gathered_[leader].others.push_back(other);
  }

  static void describe_group(Finding& finding, Gathered& gathered) {
    std::sort(gathered.others.begin(), gathered.others.end());
    gathered.others.erase(std::unique(gathered.others.begin(), gathered.others.end()), gathered.others.end());
    std::erase_if(gathered.others, [&](TaskId task) {
      return std::find(finding.tasks.begin(), finding.tasks.end(), task) != finding.tasks.end();
    });
    const size_t shown = std::min(gathered.others.size(), kTasksShown - std::min(kTasksShown, finding.tasks.size()));
    finding.tasks.insert(finding.tasks.end(), gathered.others.begin(),
                         gathered.others.begin() + static_cast<std::ptrdiff_t>(shown));
    const size_t count = gathered.others.size(), unnamed = count - shown;
    if (count == 0) return;
    finding.message += fmt::format("; likewise {} other task{}", count, count == 1 ? "" : "s");
    if (unnamed > 0) finding.message += fmt::format(", of which {} are not named", unnamed);
    if (!finding.mend.empty()) finding.mend += "; likewise for the others";
  }

  static constexpr size_t kLeadersMax = 64;  // of one place: beyond, findings stand by themselves

  std::vector<Finding>& findings_;
  std::map<decltype(place_of(std::declval<Finding>())), std::vector<uint32_t>> alike_;
  std::map<std::tuple<Rule, uint32_t, size_t, uint32_t>, uint32_t> races_;  ///< by the task in common: the first race
  std::map<uint32_t, Gathered> gathered_;                                   ///< by the finding that stays
};

}  // namespace

void gather_findings(Context& context) {
  if (context.findings.size() > 1) Gatherer(context.findings).run();
}

}  // namespace amk::validator
