// The agreement campaign: programs drawn from seeds, each judged twice, by the validator and by what is known of it.
//
// What is known comes from the explorer, which runs every interleaving, or from how the program was made;
// docs/campaign.md says which for every class. A program is its seed: the same seed is the same program, on every
// machine.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "explorer/explorer.h"
#include "schedule/program.h"
#include "validator/validator.h"

namespace amk::campaign {

enum class Origin : uint8_t { kSmall, kMutant, kReal };

/// A program to judge, and what is known of it by how it was made.
struct Sample {
  uint64_t seed = 0;
  Origin origin = Origin::kSmall;
  std::string class_name;  ///< "small", "small/dropped-wait", "mutant/dropped-wait", "real"
  bool forbidden = false;  ///< made so that the IR forbids it
  schedule::Program program;
};

enum class Verdict : uint8_t {
  kAgree,
  kFalseAccept,  ///< accepted, and unsafe or forbidden
  kFalseReject,  ///< rejected, and safe
  kUnproven,     ///< by the validator
  kUndecided,    ///< rejected, and too large to know whether it is safe
};
[[nodiscard]] const char* verdict_name(Verdict verdict);

/// Both findings about one program.
struct Judgement {
  Verdict verdict = Verdict::kAgree;
  explorer::Truth truth = explorer::Truth::kUnknown;  ///< kUnlawful where it was made so
  bool explored = false;                              ///< by the explorer; else known by how it was made
  validator::Outcome outcome = validator::Outcome::kUnproven;
  std::optional<explorer::Flaw> flaw;  ///< the first that the explorer found
  std::vector<explorer::Defect> defects;
  std::vector<std::string> findings;  ///< the validator's, in full
};

/// Programs of one class: by what is known, and of those how many were accepted.
struct Tally {
  uint64_t programs = 0;
  uint64_t explored = 0;
  uint64_t safe = 0;
  uint64_t unsafe = 0;    ///< all that must be refused
  uint64_t unlawful = 0;  ///< of them, those that the IR forbids and of which no interleaving was found to go wrong
  uint64_t accepted = 0;
  uint64_t rejected = 0;
  uint64_t unproven = 0;
  uint64_t false_accepts = 0;
  uint64_t false_rejects = 0;
  uint64_t undecided = 0;
  std::array<uint64_t, explorer::kFlawCount> flaws{};  ///< by the first flaw that the explorer found

  void add(const Judgement& judgement);
  void add(const Tally& other);
};

struct Disagreement {
  uint64_t seed = 0;
  std::string class_name;
  Verdict verdict = Verdict::kAgree;
};

struct Report {
  uint64_t seed = 0;
  Tally all;
  uint64_t real = 0;  ///< real lowerings
  uint64_t real_accepted = 0;
  uint64_t real_unproven = 0;
  uint64_t real_tasks_max = 0;
  std::map<std::string, Tally> per_class;
  std::vector<Disagreement> disagreements;  ///< the first kDisagreementsMax
  double seconds = 0;
  double validator_seconds = 0;  ///< of them, in the validator

  [[nodiscard]] bool agrees() const;
};
inline constexpr size_t kDisagreementsMax = 100;

class Campaign {
 public:
  Campaign();
  ~Campaign();
  Campaign(const Campaign&) = delete;
  Campaign& operator=(const Campaign&) = delete;

  /// The program of a seed, below 2^53.
  [[nodiscard]] Sample draw(uint64_t seed);
  [[nodiscard]] Judgement judge(const Sample& sample);
  /// Draws and judges `count` programs, whose seeds follow from `seed`. `progress` is told how many are done.
  [[nodiscard]] Report run(uint64_t count, uint64_t seed, const std::function<void(uint64_t)>& progress = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The seed of the i-th program of a campaign: below 2^53, so that every JSON reader keeps it.
[[nodiscard]] uint64_t program_seed(uint64_t seed, uint64_t index);

}  // namespace amk::campaign
