#include "search/workspace.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "support/environment.h"
#include "support/temp_directory.h"

using namespace amk;
using namespace amk::search;

TEST_CASE("a workspace is where it is said, else $AMK_HOME, else .amk") {
  const test::Environment home("AMK_HOME", "/somewhere");
  CHECK(workspace_directory("here") == "here");
  CHECK(workspace_directory("") == "/somewhere");
  const test::Environment unset("AMK_HOME", nullptr);
  CHECK(workspace_directory("") == ".amk");
}

TEST_CASE("of two processes on one workspace the second is told who holds it, and gets it once that one is gone") {
  const test::TempDirectory directory;
  std::vector<std::string> recovered;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto held = Workspace::open(directory.path(), recovered);
    const char ok = held.ok() ? 'y' : 'n';
    if (::write(ready[1], &ok, 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char ok = 0;
  REQUIRE(::read(ready[0], &ok, 1) == 1);
  REQUIRE(ok == 'y');
  const auto second = Workspace::open(directory.path(), recovered);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().message.find("process " + std::to_string(child)) != std::string::npos);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  CHECK(Workspace::open(directory.path(), recovered).ok());
}

TEST_CASE("a torn last line of the corpus goes, whole lines stay") {
  const test::TempDirectory directory;
  std::vector<std::string> recovered;
  {
    auto workspace = Workspace::open(directory.path(), recovered);
    REQUIRE(workspace.ok());
    REQUIRE(workspace->append_to_corpus("{\"trial\":1}").ok());
    REQUIRE(workspace->append_to_corpus("{\"trial\":2}").ok());
  }
  const auto corpus = directory.path() / "corpus.jsonl";
  CHECK(test::slurp(corpus) == "{\"trial\":1}\n{\"trial\":2}\n");
  test::spill(corpus, "{\"trial\":1}\n{\"tri");
  CHECK(recovered.empty());
  CHECK(Workspace::open(directory.path(), recovered).ok());
  CHECK(test::slurp(corpus) == "{\"trial\":1}\n");
  CHECK(recovered.size() == 1);
}

TEST_CASE("where the disk takes half a line of the corpus, that half goes: the next line stands alone") {
  const test::TempDirectory directory;
  std::vector<std::string> recovered;
  auto workspace = Workspace::open(directory.path(), recovered);
  REQUIRE(workspace.ok());
  REQUIRE(workspace->append_to_corpus("{\"trial\":1}").ok());
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{20, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  const Status full = workspace->append_to_corpus("{\"trial\":2}");
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  REQUIRE_FALSE(full.ok());
  CHECK(full.error().code == ErrorCode::kIo);
  REQUIRE(workspace->append_to_corpus("{\"trial\":3}").ok());
  CHECK(test::slurp(directory.path() / "corpus.jsonl") == "{\"trial\":1}\n{\"trial\":3}\n");
}

TEST_CASE("a line after one that a killed process left half written stands alone") {
  const test::TempDirectory directory;
  const std::filesystem::path file = directory.path() / "trials.jsonl";
  REQUIRE(append_line(file, "{\"trial\":1}").ok());
  test::spill(file, "{\"trial\":1}\n{\"tri");
  REQUIRE(append_line(file, "{\"trial\":2}").ok());
  CHECK(test::slurp(file) == "{\"trial\":1}\n{\"tri\n{\"trial\":2}\n");
}
