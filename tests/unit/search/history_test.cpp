#include "search/history.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>

#include "support/temp_directory.h"
#include "support/trials.h"

using namespace amk;
using namespace amk::search;

namespace {

/// A workspace with its history.
struct Fixture {
  test::TempDirectory directory;
  std::vector<std::string> recovered;
  Workspace workspace = Workspace::open(directory.path(), recovered).value();
  History history = History::open(workspace, recovered).value();

  /// git in the history; its output.
  std::string git(const std::string& arguments, int expected = 0) const {
    const std::string out = (directory.path() / "out").string();
    const std::string command = "git -c user.name=Someone -c user.email=someone@example.com --git-dir='" +
                                (directory.path() / "history").string() + "' " + arguments + " > '" + out + "' 2>&1";
    const int status = std::system(command.c_str());
    const std::string text = test::slurp(out);
    INFO(command, "\n", text);
    CHECK(status == expected);
    return text;
  }
};

Campaign with_trials(History& history, uint32_t count) {
  Campaign campaign = history.begin("night", test::a_header(), test::a_start()).value();
  for (uint32_t n = 1; n <= count; ++n) REQUIRE(history.append(campaign, test::a_trial(n)).ok());
  return campaign;
}

}  // namespace

TEST_CASE("a campaign reads back as it was written, and the repository passes fsck") {
  Fixture fixture;
  Campaign written = with_trials(fixture.history, 8);
  Trial tie = test::a_trial(9);
  tie.measurement->ratio = {1.002, 1.001, 1.003};
  REQUIRE(fixture.history.append(written, tie).ok());
  const auto read = fixture.history.read("night");
  REQUIRE(read.ok());
  REQUIRE(read->has_value());
  const Campaign& campaign = **read;
  CHECK(campaign.header == test::a_header());
  CHECK(campaign.start == test::a_start());
  CHECK(campaign.trials == written.trials);
  CHECK(campaign.incumbent == written.incumbent);
  CHECK(campaign.incumbent.trial == 9);
  CHECK(campaign.incumbent.behind_best == 1.003);
  CHECK(campaign.tip == written.tip);
  CHECK(fixture.git("fsck --strict --full").empty());
  CHECK(fixture.history.names().value() == std::vector<std::string>{"night"});
  CHECK_FALSE(fixture.history.read("day").value().has_value());
}

TEST_CASE("git log alone tells the story: what was tried, what was kept, what failed and why") {
  Fixture fixture;
  with_trials(fixture.history, 5);
  const std::string log = fixture.git("log --format=%s campaign/night");
  CHECK(log ==
        "revert trial 5: launch.ring: expected a ring of at most 227 KiB, found more\n"
        "trial 5: pipelining_depth=7\n"
        "revert trial 4: 1.00% slower\n"
        "trial 4: pipelining_depth=6\n"
        "trial 3: pipelining_depth=5: kept\n"
        "revert trial 2: 1.00% slower\n"
        "trial 2: pipelining_depth=4\n"
        "revert trial 1: 1.00% slower\n"
        "trial 1: pipelining_depth=3\n"
        "campaign night: toy on h100\n");
  Trial long_one = test::a_trial(7);
  for (int i = 0; i < 30; ++i) long_one.proposal.change += ", pipelining_depth=" + std::to_string(i);
  Campaign campaign = fixture.history.read("night").value().value();
  Trial sixth = test::a_trial(6);
  REQUIRE(fixture.history.append(campaign, sixth).ok());
  REQUIRE(fixture.history.append(campaign, long_one).ok());
  CHECK(fixture.git("log -1 --format=%s campaign/night~1").size() < 230);
  for (const char* commit : {"campaign/night~1", "campaign/night"})
    CHECK(fixture.git(std::string("log -1 --format=%b ") + commit).find(long_one.proposal.change) != std::string::npos);
  const std::string body = fixture.git("log -1 --format=%b campaign/night~7");
  CHECK(body.find("2.00% faster") != std::string::npos);
  CHECK(body.find("97.00 us") != std::string::npos);
  CHECK(body.find("predicted") != std::string::npos);
}

TEST_CASE("the tip's schedule is the incumbent's after a keep and after a revert; a trial's is the candidate's") {
  Fixture fixture;
  with_trials(fixture.history, 4);
  const std::string kept = fixture.git("show campaign/night~2:schedule.json");
  CHECK(kept.find("\"pipelining_depth\": 5") != std::string::npos);
  CHECK(fixture.git("show campaign/night:schedule.json") == kept);
  CHECK(fixture.git("show campaign/night~1:schedule.json").find("\"pipelining_depth\": 6") != std::string::npos);
}

TEST_CASE("a commit of somebody else is never overwritten: neither when a campaign resumes nor while it runs") {
  Fixture fixture;
  Campaign campaign = with_trials(fixture.history, 2);
  const std::string tree = fixture.git("rev-parse 'campaign/night^{tree}'").substr(0, 40);
  const std::string theirs =
      fixture.git("commit-tree " + tree + " -p " + campaign.tip + " -m 'my own idea'").substr(0, 40);
  fixture.git("update-ref refs/heads/campaign/night " + theirs);

  const Status appended = fixture.history.append(campaign, test::a_trial(3));
  REQUIRE_FALSE(appended.ok());
  CHECK(appended.error().message.find("somebody else has moved it") != std::string::npos);
  CHECK(campaign.trials.size() == 2);
  const auto read = fixture.history.read("night");
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().message.find("by Someone") != std::string::npos);
  CHECK(fixture.git("rev-parse campaign/night").substr(0, 40) == theirs);
}

TEST_CASE("a commit that copies our trailer but not our name is somebody else's, too") {
  Fixture fixture;
  const Campaign campaign = with_trials(fixture.history, 1);
  const std::string tree = fixture.git("rev-parse 'campaign/night^{tree}'").substr(0, 40);
  const std::string theirs =
      fixture.git("commit-tree " + tree + " -p " + campaign.tip + " -m x -m 'Amk-Commit: trial 2'").substr(0, 40);
  fixture.git("update-ref refs/heads/campaign/night " + theirs);
  CHECK_FALSE(fixture.history.read("night").ok());
}

TEST_CASE("a branch that somebody works on does not move, and their changes stay") {
  Fixture fixture;
  Campaign campaign = with_trials(fixture.history, 1);
  const auto tree = fixture.directory.path() / "work";
  fixture.git("worktree add '" + tree.string() + "' campaign/night");
  test::spill(tree / "schedule.json", "my edit");
  const Status appended = fixture.history.append(campaign, test::a_trial(2));
  REQUIRE_FALSE(appended.ok());
  CHECK(appended.error().message.find("checked out") != std::string::npos);
  CHECK(test::slurp(tree / "schedule.json") == "my edit");
  CHECK(fixture.git("rev-parse campaign/night").substr(0, 40) == campaign.tip);
}

TEST_CASE("a campaign is begun once, and its name is one that a branch can have") {
  Fixture fixture;
  with_trials(fixture.history, 1);
  CHECK_FALSE(fixture.history.begin("night", test::a_header(), test::a_start()).ok());
  for (const char* name : {"", "a b", "../x", "-x", ".x", "a..b", "x.lock", "x.", "a/b", "\xc3\xa4"}) {
    CAPTURE(name);
    const auto begun = fixture.history.begin(name, test::a_header(), test::a_start());
    REQUIRE_FALSE(begun.ok());
    CHECK(begun.error().code == ErrorCode::kUsage);
  }
}

TEST_CASE("what is no repository is left as it is") {
  const test::TempDirectory directory;
  std::filesystem::create_directories(directory.path() / "history");
  test::spill(directory.path() / "history" / "notes.txt", "mine");
  std::vector<std::string> recovered;
  const Workspace workspace = Workspace::open(directory.path(), recovered).value();
  const auto history = History::open(workspace, recovered);
  REQUIRE_FALSE(history.ok());
  CHECK(history.error().code == ErrorCode::kBadInput);
  CHECK(test::slurp(directory.path() / "history" / "notes.txt") == "mine");
}

TEST_CASE("the history survives git gc") {
  Fixture fixture;
  Campaign campaign = with_trials(fixture.history, 4);
  fixture.git("gc --quiet --prune=now");
  REQUIRE(fixture.history.append(campaign, test::a_trial(5)).ok());
  CHECK(fixture.history.read("night").value()->trials.size() == 5);
  CHECK(fixture.git("fsck --strict --full").empty());
}
