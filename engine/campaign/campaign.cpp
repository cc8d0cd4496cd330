#include "campaign/campaign.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "campaign/mutation.h"
#include "campaign/real.h"
#include "campaign/small_program.h"

namespace amk::campaign {
namespace {

using Clock = std::chrono::steady_clock;
using explorer::Truth;
using schedule::Program;
using validator::Outcome;

/// Shares of a campaign, in thousandths; the rest are small programs.
constexpr uint64_t kMutantShare = 330;
constexpr uint64_t kRealShare = 15;
/// Lowerings that mutants are made of. The same ones for every seed, so that a program is its seed alone.
constexpr uint64_t kBases = 96;
constexpr uint64_t kBaseSeed = 0xba5e;

/// Tasks up to which the explorer is asked, and states it may branch at: fewer where a state is large.
constexpr size_t kExploredTasksMax = 2048;
constexpr size_t kTinyTasksMax = 12;
constexpr uint64_t kTinyStatesMax = 1 << 16;
constexpr uint64_t kStatesMax = 64;

/// Edits that leave a program in form, so that another can follow.
constexpr std::array kComposable = {Mutation::kDroppedWait,    Mutation::kDoubledWait,  Mutation::kWrongCounter,
                                    Mutation::kExtraWait,      Mutation::kSwappedQueue, Mutation::kMovedTask,
                                    Mutation::kOwnCounter,     Mutation::kOtherCounter, Mutation::kMissingProducer,
                                    Mutation::kSecondProducer, Mutation::kReusedPage,   Mutation::kMovedPage};

/// A lowering, and the sites of every mutation once they have been asked for.
struct Base {
  Program program;
  std::array<std::optional<std::vector<Site>>, kMutationCount> sites;
};

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Verdict verdict_of(Truth truth, Outcome outcome) {
  const bool sound = truth == Truth::kSafe;
  switch (outcome) {
    case Outcome::kUnproven:
      return Verdict::kUnproven;
    case Outcome::kAccepted:
      return sound ? Verdict::kAgree : Verdict::kFalseAccept;
    case Outcome::kRejected:
      if (truth == Truth::kUnknown) return Verdict::kUndecided;
      return sound ? Verdict::kFalseReject : Verdict::kAgree;
  }
  return Verdict::kUnproven;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAgree:
      return "agree";
    case Verdict::kFalseAccept:
      return "false-accept";
    case Verdict::kFalseReject:
      return "false-reject";
    case Verdict::kUnproven:
      return "unproven";
    case Verdict::kUndecided:
      return "undecided";
  }
  return "";
}

uint64_t program_seed(uint64_t seed, uint64_t index) { return mix64(mix64(seed) + index) >> 11; }

// ---- tallies --------------------------------------------------------------------------------------------------------

void Tally::add(const Judgement& judgement) {
  ++programs;
  explored += judgement.explored ? 1 : 0;
  safe += judgement.truth == Truth::kSafe ? 1 : 0;
  unsafe += judgement.truth == Truth::kUnsafe || judgement.truth == Truth::kUnlawful ? 1 : 0;
  unlawful += judgement.truth == Truth::kUnlawful ? 1 : 0;
  accepted += judgement.outcome == Outcome::kAccepted ? 1 : 0;
  rejected += judgement.outcome == Outcome::kRejected ? 1 : 0;
  unproven += judgement.outcome == Outcome::kUnproven ? 1 : 0;
  false_accepts += judgement.verdict == Verdict::kFalseAccept ? 1 : 0;
  false_rejects += judgement.verdict == Verdict::kFalseReject ? 1 : 0;
  undecided += judgement.verdict == Verdict::kUndecided ? 1 : 0;
  if (judgement.flaw) ++flaws[static_cast<size_t>(*judgement.flaw)];
}

void Tally::add(const Tally& other) {
  for (uint64_t Tally::*count :
       {&Tally::programs, &Tally::explored, &Tally::safe, &Tally::unsafe, &Tally::unlawful, &Tally::accepted,
        &Tally::rejected, &Tally::unproven, &Tally::false_accepts, &Tally::false_rejects, &Tally::undecided}) {
    this->*count += other.*count;
  }
  for (size_t i = 0; i < flaws.size(); ++i) flaws[i] += other.flaws[i];
}

bool Report::agrees() const {
  return all.false_accepts == 0 && all.false_rejects == 0 && all.unproven == 0 && all.undecided == 0 &&
         real_accepted == real;
}

// ---- drawing --------------------------------------------------------------------------------------------------------

struct Campaign::Impl {
  explorer::Explorer explorer;
  validator::Validator validator;
  std::array<std::unique_ptr<Base>, kBases> bases;
  double validator_seconds = 0;

  Base& base(uint64_t index);
  void draw_small(Sample& sample, Random& random);
  void draw_mutant(Sample& sample, Random& random);
  Judgement judge(const Sample& sample, bool in_words);
};

Base& Campaign::Impl::base(uint64_t index) {
  if (!bases[index]) {
    Random random(mix64(kBaseSeed) + index);
    bases[index] = std::make_unique<Base>();
    bases[index]->program = real_program(random, Size::kSmall);
  }
  return *bases[index];
}

namespace {

Site some_site(const std::vector<Site>& all, Random& random) { return all[random.below(all.size())]; }

/// One edit drawn from `choices` that has a place in the program.
template <typename Choices>
std::pair<Mutation, Known> edit_somewhere(Program& program, const Choices& choices, Random& random) {
  while (true) {
    const Mutation mutation = choices(random);
    const std::vector<Site> all = sites(program, info(mutation).sites);
    if (!all.empty()) return {mutation, mutate(program, mutation, some_site(all, random), random)};
  }
}

Mutation any_mutation(Random& random) { return static_cast<Mutation>(random.below(kMutationCount)); }
Mutation composable_mutation(Random& random) { return kComposable[random.below(kComposable.size())]; }

}  // namespace

/// None, one or two edits of a small program.
void Campaign::Impl::draw_small(Sample& sample, Random& random) {
  sample.class_name = "small";
  sample.program = small_program(random);
  const uint64_t edits = random.below(20);
  if (edits < 9) return;
  if (edits < 18) {
    const auto [mutation, known] = edit_somewhere(sample.program, any_mutation, random);
    sample.class_name += std::string("/") + info(mutation).name;
    sample.forbidden = known == Known::kForbidden;
    return;
  }
  sample.class_name += "/two-edits";
  for (int i = 0; i < 2 && !sample.program.tasks.empty(); ++i) {
    edit_somewhere(sample.program, composable_mutation, random);
  }
}

void Campaign::Impl::draw_mutant(Sample& sample, Random& random) {
  sample.origin = Origin::kMutant;
  Base& lowered = base(random.below(kBases));
  while (true) {
    const Mutation mutation = any_mutation(random);
    std::optional<std::vector<Site>>& known_sites = lowered.sites[static_cast<uint32_t>(mutation)];
    if (!known_sites) known_sites = sites(lowered.program, info(mutation).sites);
    if (known_sites->empty()) continue;
    sample.class_name = std::string("mutant/") + info(mutation).name;
    sample.program = lowered.program;
    const Known known = mutate(sample.program, mutation, some_site(*known_sites, random), random);
    sample.forbidden = known == Known::kForbidden;
    return;
  }
}

// ---- judging --------------------------------------------------------------------------------------------------------

Judgement Campaign::Impl::judge(const Sample& sample, bool in_words) {
  Judgement judgement;
  const size_t tasks = sample.program.tasks.size();
  if (sample.forbidden) {
    judgement.truth = Truth::kUnlawful;
  } else if (tasks <= kExploredTasksMax) {
    explorer::ExploreOptions options;
    options.states_max = tasks <= kTinyTasksMax ? kTinyStatesMax : kStatesMax;
    const explorer::Exploration& result = explorer.explore(sample.program, options);
    judgement.truth = result.truth;
    judgement.explored = true;
    if (!result.defects.empty()) judgement.flaw = result.defects.front().flaw;
    if (in_words) judgement.defects = result.defects;
  } else if (sample.origin == Origin::kReal) {
    judgement.truth = Truth::kSafe;  // what lowering promises
  }
  const Clock::time_point start = Clock::now();
  const std::vector<validator::Finding>& findings = validator.check(sample.program);
  validator_seconds += seconds_since(start);
  judgement.outcome = validator.outcome();
  judgement.verdict = verdict_of(judgement.truth, judgement.outcome);
  if (!in_words) return judgement;
  for (const validator::Finding& finding : findings) {
    judgement.findings.push_back(validator::describe(finding, sample.program));
  }
  return judgement;
}

// ---- Campaign -------------------------------------------------------------------------------------------------------

Campaign::Campaign() : impl_(std::make_unique<Impl>()) {}
Campaign::~Campaign() = default;

Sample Campaign::draw(uint64_t seed) {
  Sample sample;
  sample.seed = seed;
  Random random(seed);
  const uint64_t kind = random.below(1000);
  if (kind < kRealShare) {
    sample.origin = Origin::kReal;
    sample.class_name = "real";
    sample.program = real_program(random, Size::kAny);
  } else if (kind < kRealShare + kMutantShare) {
    impl_->draw_mutant(sample, random);
  } else {
    impl_->draw_small(sample, random);
  }
  return sample;
}

Judgement Campaign::judge(const Sample& sample) { return impl_->judge(sample, true); }

Report Campaign::run(uint64_t count, uint64_t seed, const std::function<void(uint64_t)>& progress) {
  Report report;
  report.seed = seed;
  impl_->validator_seconds = 0;
  const Clock::time_point start = Clock::now();
  for (uint64_t i = 0; i < count; ++i) {
    const Sample sample = draw(program_seed(seed, i));
    const Judgement judgement = impl_->judge(sample, false);
    report.per_class[sample.class_name].add(judgement);
    if (sample.origin == Origin::kReal) {
      ++report.real;
      report.real_accepted += judgement.outcome == Outcome::kAccepted ? 1 : 0;
      report.real_unproven += judgement.outcome == Outcome::kUnproven ? 1 : 0;
      report.real_tasks_max = std::max<uint64_t>(report.real_tasks_max, sample.program.tasks.size());
    }
    if (judgement.verdict != Verdict::kAgree && report.disagreements.size() < kDisagreementsMax) {
      report.disagreements.push_back({sample.seed, sample.class_name, judgement.verdict});
    }
    if (progress) progress(i + 1);
  }
  for (const auto& [name, tally] : report.per_class) report.all.add(tally);
  report.seconds = seconds_since(start);
  report.validator_seconds = impl_->validator_seconds;
  return report;
}

}  // namespace amk::campaign
