// A proposer in a shared library that behaves as $AMK_ODD says.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include "abi/proposer_abi.h"

namespace {

std::string_view way() {
  const char* found = std::getenv("AMK_ODD");
  return found == nullptr ? "" : found;
}

int calls = 0;

}  // namespace

extern "C" unsigned amk_proposer_abi(void) { return way() == "future" ? AMK_PROPOSER_ABI + 1 : AMK_PROPOSER_ABI; }

extern "C" int amk_propose(const char* state, size_t state_bytes, amk_answer_fn answer, void* sink) {
  const auto say = [&](std::string_view text) { answer(sink, text.data(), text.size()); };
  ++calls;
  if (way() == "crash") std::abort();
  if (way() == "hang") ::sleep(1000);
  if (way() == "throw") throw std::runtime_error("a moment of weakness");
  if (way() == "long") {
    const std::string line(1 << 16, ' ');
    for (int i = 0; i < 1000; ++i) say(line);
  }
  if (way() == "fail") return say("out of ideas"), 3;
  if (way() == "done") return say("{\"done\": true}"), 0;
  if (way() == "babble" && ::write(STDOUT_FILENO, "hear, hear\n", 11) != 11) return 1;
  const bool whole = std::strlen(state) == state_bytes && state[0] == '{';
  say("{\"schedule\": {\"pipelining_depth\": 8},");
  say(" \"note\": \"call " + std::to_string(calls) + (whole ? "" : ", cut") + "\"}");
  return 0;
}
