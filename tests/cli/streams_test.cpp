#include <doctest/doctest.h>

#include "cli/child.h"

using namespace amk::test;

TEST_CASE("output that cannot be written ends in exit code 3, not in a signal and not in silence") {
  const std::vector<std::vector<std::string>> verbs = {
      {"doctor"},
      {"doctor", "--json"},
      {"eval", "toy", "--json"},
      {"inspect", "toy"},
      {"propose", "toy"},
      {"validate", "toy"},
      {"generate", "toy", "--prompt-ids", "1,2", "--max-tokens", "100"},
      {"generate", "toy", "--prompt-ids", "1,2", "--max-tokens", "8", "--json"},
      {"--help"},
  };
  Streams full;
  full.stdout_path = "/dev/full";
  Streams broken;
  broken.stdout_is_broken_pipe = true;
  Streams closed;
  closed.stdout_closed = true;
  for (const std::vector<std::string>& arguments : verbs) {
    for (const Streams& streams : {full, broken, closed}) {
      const Outcome outcome = run_amk(arguments, streams);
      CAPTURE(arguments);
      CAPTURE(outcome.err);
      CHECK(outcome.signal == 0);
      CHECK(outcome.exit_code == 3);
      CHECK(outcome.err.find("standard output") != std::string::npos);
    }
  }
}

TEST_CASE("a closed stdout never ends up in a file that the program writes") {
  const Scratch scratch;
  Streams closed;
  closed.stdout_closed = true;
  const Outcome outcome = run_amk({"compile", "toy", "--out", scratch.path().string()}, closed);
  CHECK(outcome.exit_code == 3);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch.path())) {
    if (entry.is_regular_file()) CHECK(read_text(entry.path()).find("validator  accepted") == std::string::npos);
  }
}

TEST_CASE("the prompt can come from standard input") {
  Streams streams;
  streams.input = "ROMEO:";
  const std::vector<std::string> arguments = {"generate", kShipped, "--prompt-file", "-", "--max-tokens", "4"};
  const Outcome from_stdin = run_amk(arguments, streams);
  const Outcome from_option = run_amk({"generate", kShipped, "--prompt", "ROMEO:", "--max-tokens", "4"});
  CHECK(from_stdin.exit_code == 0);
  CHECK(from_stdin.out == from_option.out);
}

TEST_CASE("notes go to stderr, and --quiet drops them") {
  const std::vector<std::string> arguments = {"generate", "toy", "--prompt-ids", "1", "--max-tokens", "3"};
  const Outcome loud = run_amk(arguments);
  CHECK(loud.err.find("tokens/s") != std::string::npos);
  std::vector<std::string> quiet = arguments;
  quiet.emplace_back("--quiet");
  const Outcome silent = run_amk(quiet);
  CHECK(silent.exit_code == 0);
  CHECK(silent.err.empty());
  CHECK(silent.out == loud.out);
}
