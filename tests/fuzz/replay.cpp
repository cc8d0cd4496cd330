// The harnesses without libFuzzer, for every compiler: replays a corpus, then seeded mutations of it.
//
//   NAME_replay CORPUS COUNT SEED [NUMBER]
//
// Runs each file of the folder CORPUS, then the mutations 0 to COUNT - 1 of SEED; with NUMBER only that mutation.
// Mutation number N depends on the corpus, SEED and N alone. A harness that fails ends the process; the last line on
// stderr then says which input it was.
#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using namespace amk;

constexpr size_t kInputBytesMax = 1 << 16;
constexpr uint64_t kFileLimit = 1 << 20;
constexpr const char* kNumbers[] = {"0",
                                    "1",
                                    "-1",
                                    "255",
                                    "2147483648",
                                    "4294967295",
                                    "4294967296",
                                    "1e9",
                                    "18446744073709551615",
                                    "9223372036854775807"};

/// What is running, for the handler of signals: nothing there may allocate.
std::array<char, 256> current;

extern "C" void say_which(int signal) {
  std::fputs(current.data(), stderr);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void announce(const std::string& what) {
  const size_t size = std::min(what.size(), current.size() - 2);
  what.copy(current.data(), size);
  current[size] = '\n';
  current[size + 1] = '\0';
}

std::vector<std::string> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
  std::ranges::sort(paths);
  std::vector<std::string> corpus;
  for (const std::filesystem::path& path : paths) {
    Result<std::string> text = read_file(path, kFileLimit);
    if (!text) {
      std::fprintf(stderr, "%s\n", text.error().text().c_str());
      std::exit(2);
    }
    corpus.push_back(std::move(text).value());
  }
  return corpus;
}

/// Replaces the digits around `at`, if there are any, by a number at which something may overflow.
void replace_number(std::string& text, size_t at, Random& random) {
  const auto is_digit = [&](size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  while (at < text.size() && !is_digit(at)) ++at;
  size_t end = at;
  while (end < text.size() && is_digit(end)) ++end;
  if (end > at) text.replace(at, end - at, kNumbers[random.below(std::size(kNumbers))]);
}

void mutate_once(std::string& text, const std::vector<std::string>& corpus, Random& random) {
  if (text.empty()) text.push_back('\0');
  const size_t at = random.below(text.size());
  const size_t length = std::min<size_t>(1 + random.below(16), text.size() - at);
  switch (random.below(8)) {
    case 0:
      text[at] = static_cast<char>(text[at] ^ (1 << random.below(8)));
      break;
    case 1:
      text[at] = static_cast<char>(random.below(256));
      break;
    case 2:
      text.erase(at, length);
      break;
    case 3:
      text.insert(at, text.substr(random.below(text.size()), length));
      break;
    case 4: {  // a piece of another input
      const std::string& other = corpus[random.below(corpus.size())];
      if (!other.empty()) text.replace(at, length, other.substr(random.below(other.size()), 1 + random.below(64)));
      break;
    }
    case 5:  // cut short
      if (random.below(8) == 0) text.resize(at);
      break;
    default:
      replace_number(text, at, random);
  }
  text.resize(std::min(text.size(), kInputBytesMax));
}

std::string mutation(const std::vector<std::string>& corpus, uint64_t seed, uint64_t number) {
  Random random(mix64(seed) ^ number);
  std::string text = corpus[random.below(corpus.size())];
  const uint64_t edits = 1 + random.below(4);
  for (uint64_t i = 0; i < edits; ++i) mutate_once(text, corpus, random);
  return text;
}

void run(const std::string& input, const std::string& what) {
  announce(what);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto number = [&](size_t i) { return i < words.size() ? number_of(words[i]) : std::nullopt; };
  if (words.size() < 3 || words.size() > 4 || !number(1) || !number(2) || (words.size() == 4 && !number(3))) {
    std::fprintf(stderr, "usage: %s CORPUS COUNT SEED [NUMBER]\n", argv[0]);
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, say_which);
  const std::vector<std::string> corpus = read_corpus(words[0]);
  if (corpus.empty()) {
    std::fprintf(stderr, "expected a corpus in %s, found no file\n", words[0].c_str());
    return 2;
  }
  const uint64_t seed = *number(2), first = number(3).value_or(0), end = number(3) ? first + 1 : *number(1);
  if (!number(3)) {
    for (size_t i = 0; i < corpus.size(); ++i) run(corpus[i], "file " + std::to_string(i) + " of the corpus, by name");
  }
  for (uint64_t i = first; i < end; ++i) {
    run(mutation(corpus, seed, i), "mutation " + std::to_string(i) + " of seed " + std::to_string(seed));
  }
  std::printf("%zu files and %llu mutations of seed %llu: clean\n", corpus.size(),
              static_cast<unsigned long long>(end - first), static_cast<unsigned long long>(seed));
  return 0;
}
