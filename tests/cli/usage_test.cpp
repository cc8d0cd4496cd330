#include <doctest/doctest.h>

#include "cli/child.h"

using namespace amk::test;

namespace {

const std::vector<std::string> kVerbs = {"doctor",  "compile", "eval",  "generate", "validate", "propose",
                                         "inspect", "bench",   "trace", "loop",     "log",      "quantize"};

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("help names every verb, and every verb's help has an example and ends well") {
  const Outcome all = run_amk({"--help"});
  CHECK(all.exit_code == 0);
  for (const std::string& verb : kVerbs) {
    CAPTURE(verb);
    CHECK(holds(all.out, "  " + verb + " "));
    const Outcome one = run_amk({verb, "--help"});
    CHECK(one.exit_code == 0);
    CHECK(one.err.empty());
    CHECK(holds(one.out, "Example: amk " + verb));
    CHECK(holds(one.out, "--json"));
  }
}

TEST_CASE("the version is printed") {
  const Outcome outcome = run_amk({"--version"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out.starts_with("amk "));
}

TEST_CASE("an unknown name is refused with the nearest one") {
  struct Case {
    std::vector<std::string> arguments;
    int exit_code;
    const char* expected;
  };
  const std::vector<Case> cases = {
      {{}, 2, "expected a verb, found nothing"},
      {{"compil", "toy"}, 2, "did you mean 'compile'"},
      {{"--versoin"}, 2, "did you mean '--version'"},
      {{"compile", "toy", "--positons", "3"}, 2, "did you mean '--positions'"},
      {{"compile", "--positons", "3"}, 2, "did you mean '--positions'"},
      {{"generate", "toy", "--max-token=3"}, 2, "did you mean '--max-tokens'"},
      {{"eval", "toi"}, 3, "did you mean 'toy'"},
      {{"eval", "synthetic:smollm2-135"}, 3, "did you mean 'synthetic:smollm2-135m'"},
      {{"eval", "toy", "--gpu", "h10"}, 2, "did you mean 'h100'"},
      {{"eval", "toy", "--device", "cpuu"}, 2, "did you mean 'cpu'"},
      {{"eval", "toy", "--rope-frequencies", "storde"}, 2, "did you mean 'stored'"},
      {{"eval", "toy", "--weights", "int8:rwo"}, 2, "did you mean 'int8:row'"},
      {{"inspect", "toy", "--kv-dtype", "bf15"}, 2, "expected one of f32, f16, bf16, found 'bf15'"},
      {{"eval", "toy", "--weights", "int4", "--set", "tiling.gemv.k_chunk=64"}, 2, "the nearest is 128"},
      {{"eval", "toy", "--set", "pipelinin_depth=3"}, 2, "did you mean 'pipelining_depth'"},
      {{"eval", "toy", "--set", "page_allocation=linaer"}, 2, "did you mean 'linear'"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = run_amk(c.arguments);
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == c.exit_code);
    CHECK(holds(outcome.err, c.expected));
    CHECK(outcome.err.starts_with("amk: "));
    CHECK(outcome.out.empty());
  }
}

TEST_CASE("a value out of its range is a usage error that says what was expected") {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"eval"}, "expected MODEL"},
      {{"eval", "toy", "toy"}, "expected nothing more, found 'toy'"},
      {{"eval", "toy", "--context", "abc"}, "expected an integer from 1 to"},
      {{"eval", "toy", "--context", "-1"}, "expected an integer from 1 to"},
      {{"eval", "toy", "--context", "0"}, "expected an integer from 1 to"},
      {{"eval", "toy", "--context", "99999999999"}, "expected an integer from 1 to"},
      {{"eval", "toy", "--context", "257"}, "expected a context from 1 to the model's 256, found 257"},
      {{"eval", "toy", "--threads", "0"}, "expected an integer from 1 to 1024"},
      {{"eval", "toy", "--positions", "1.5"}, "expected an integer"},
      {{"eval", "toy", "--set", "pipelining_depth"}, "expected KNOB=VALUE"},
      {{"eval", "toy", "--set", "pipelining_depth=1"}, "expected an integer from 2 to 32"},
      {{"eval", "toy", "--set", "threads_per_block=100"}, "a multiple of 32"},
      {{"generate", "toy"}, "expected one of --prompt, --prompt-ids and --prompt-file, found none"},
      {{"generate", "toy", "--prompt", "a", "--prompt-ids", "1"}, "found several"},
      {{"generate", "toy", "--prompt-ids", "1,,2"}, "expected token ids"},
      {{"generate", "toy", "--prompt-ids", "256"}, "expected tokens below 256"},
      {{"generate", "toy", "--prompt", "text"}, "give token ids with --prompt-ids"},
      {{"generate", "toy", "--prompt-ids", "1", "--temperature", "nan"}, "expected a number"},
      {{"generate", "toy", "--prompt-ids", "1", "--temperature", "-1"}, "temperature"},
      {{"generate", "toy", "--prompt-ids", "1", "--top-p", "1.5"}, "expected top-p above 0"},
      {{"inspect", "toy", "--level", "1000"}, "--level: expected a number below"},
      {{"inspect", "toy", "--level", "1", "--sm", "1"}, "expected one of --level, --sm and --task"},
      {{"propose", "toy", "--position", "256"}, "expected a position below 256"},
  };
  for (const auto& [arguments, expected] : cases) {
    const Outcome outcome = run_amk(arguments);
    CAPTURE(expected);
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(holds(outcome.err, expected));
    CHECK(outcome.out.empty());
  }
}

TEST_CASE("with --json an error is a document with a code, a message, a place and a hint") {
  const std::vector<std::pair<std::vector<std::string>, std::pair<int, std::string>>> cases = {
      {{"compil"}, {2, "usage"}},
      {{"eval", "toy", "--positons", "3"}, {2, "usage"}},
      {{"eval", "toy", "--gpu", "h10"}, {2, "usage"}},
      {{"eval", "no-such-model"}, {3, "bad-input"}},
      {{"eval", "toy", "--device", "cuda"}, {3, "unsupported"}},
      {{"eval", "tests/models/mistral-sliding-window"}, {3, "unsupported"}},
      {{"validate", "README.md"}, {3, "bad-input"}},
      {{"eval", "toy", "--schedule", "no-such-file.json"}, {3, "io"}},
  };
  for (const auto& [arguments, expected] : cases) {
    const nlohmann::ordered_json document = run_json(arguments, expected.first);
    CHECK(keys_of(document) == std::set<std::string>{"error"});
    CHECK(keys_of(document["error"]) == std::set<std::string>{"code", "message", "location", "hint"});
    CHECK(document["error"]["code"] == expected.second);
    CHECK(!document["error"]["message"].get<std::string>().empty());
  }
}

TEST_CASE("--json and --quiet may stand before the verb, and -- before what is no option") {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--json", "--quiet", "validate", "toy"},
                                                    {"validate", "--json", "--quiet", "--", "toy"}}) {
    const Outcome outcome = run_amk(arguments);
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.err.empty());
    CHECK(outcome.out == "[]\n");
  }
  CHECK(holds(run_amk({"validate", "toy", "--josn"}).err, "did you mean '--json'"));
}

TEST_CASE("help is text even where --json stands beside it") {
  const Outcome outcome = run_amk({"eval", "--json", "--help"});
  CHECK(outcome.exit_code == 0);
  CHECK(holds(outcome.out, "Example:"));
}
