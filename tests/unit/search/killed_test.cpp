// A campaign's writer is killed at every call that changes a file.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "search/history.h"
#include "support/temp_directory.h"
#include "support/trials.h"

using namespace amk;
using namespace amk::search;

namespace {

constexpr uint32_t kTrials = 3;  // two that are reverted, and one that is kept

struct Ended {
  bool killed = false;
  int exit_code = 0;
  uint32_t safe = 0;  ///< trials that it said were written
};

/// Of a shell's command line, whose output goes to `out`.
int shell(const std::string& command, const std::filesystem::path& out) {
  return std::system((command + " > '" + out.string() + "' 2>&1").c_str());
}

Ended run_writer(const std::filesystem::path& workspace, const std::filesystem::path& out, int kill_at) {
  const std::string command = std::string("exec ") + KILLED_WRITER_PROGRAM + " '" + workspace.string() + "' " +
                              std::to_string(kTrials) + " " + std::to_string(kill_at);
  const int status = shell(command, out);
  Ended ended;
  ended.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  ended.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  const std::string said = test::slurp(out);
  for (const char c : said) ended.safe += c == '\n' ? 1 : 0;
  return ended;
}

/// Trials in the history, which passes fsck. A repository that was not there yet has none.
uint32_t trials_after(const std::filesystem::path& workspace, const std::filesystem::path& out) {
  const auto repository = workspace / "history";
  if (!std::filesystem::exists(repository)) return 0;
  const int checked = shell("git --git-dir='" + repository.string() + "' fsck --strict --full", out);
  INFO(test::slurp(out));
  REQUIRE(checked == 0);
  const auto campaign = History::open_to_read(workspace).value().read("night");
  REQUIRE(campaign.ok());
  return *campaign ? static_cast<uint32_t>((*campaign)->trials.size()) : 0;
}

}  // namespace

TEST_CASE("killed at any write, a campaign passes fsck, has lost nothing that was done, and goes on to its end") {
  int kills = 0;
  for (int kill_at = 1;; ++kill_at) {
    CAPTURE(kill_at);
    const test::TempDirectory directory;
    const auto workspace = directory.path() / "workspace";
    const auto out = directory.path() / "out";
    const Ended first = run_writer(workspace, out, kill_at);
    if (!first.killed) {
      REQUIRE(first.exit_code == 0);
      break;
    }
    ++kills;
    const uint32_t kept = trials_after(workspace, out);
    REQUIRE(kept >= first.safe);      // what it said was written is there
    REQUIRE(kept <= first.safe + 1);  // or that, and what it had no time to say
    const Ended second = run_writer(workspace, out, 0);
    INFO(test::slurp(out));
    REQUIRE(second.exit_code == 0);
    REQUIRE(second.safe == kTrials - kept);
    REQUIRE(trials_after(workspace, out) == kTrials);
  }
  MESSAGE("killed at each of ", kills, " writes");
  CHECK(kills > 50);  // the counter sees the writes
}
