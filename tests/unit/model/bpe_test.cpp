#include "model/bpe.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/random.h"
#include "model/byte_level.h"
#include "unit/model/small_tokenizer.h"

using namespace amk;
using namespace amk::model;

namespace {

struct Model {
  Vocabulary vocabulary;
  std::vector<MergeRule> merges;
  bool ignore_merges = false;

  explicit Model(std::vector<MergeRule> rules) : merges(std::move(rules)) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(static_cast<uint8_t>(byte));
      REQUIRE(vocabulary.add_model_token({byte_level({&c, 1}), byte}).ok());
    }
    for (const MergeRule& rule : merges) {
      if (!vocabulary.model_id_of(rule.left + rule.right)) {
        REQUIRE(vocabulary.add_model_token({rule.left + rule.right, vocabulary.size()}).ok());
      }
    }
  }

  [[nodiscard]] std::vector<uint32_t> encode(std::string_view word) const {
    const Result<Bpe> bpe = Bpe::build(vocabulary, merges, ignore_merges);
    REQUIRE(bpe.ok());
    Bpe::Scratch scratch;
    std::vector<uint32_t> ids;
    REQUIRE(bpe->encode(vocabulary, word, scratch, ids).ok());
    return ids;
  }
};

/// The definition, word for word: while a merge applies, apply the best-ranked one, leftmost first.
std::vector<uint32_t> encode_by_definition(const Model& model, std::string_view word) {
  std::vector<std::string> parts;
  for (const char c : word) parts.push_back(byte_level({&c, 1}));
  while (true) {
    size_t best_rank = model.merges.size();
    size_t best = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      for (size_t rank = 0; rank < best_rank; ++rank) {
        if (model.merges[rank].left == parts[i] && model.merges[rank].right == parts[i + 1]) {
          best_rank = rank;
          best = i;
        }
      }
    }
    if (best_rank == model.merges.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
  std::vector<uint32_t> ids;
  for (const std::string& part : parts) ids.push_back(*model.vocabulary.model_id_of(part));
  return ids;
}

}  // namespace

TEST_CASE("the better rank merges first, wherever it is") {
  const Model model(std::vector<MergeRule>{{"b", "c"}, {"a", "b"}});  // bc is 256, ab 257
  CHECK(model.encode("abc") == std::vector<uint32_t>{'a', 256});
  CHECK(model.encode("abab") == std::vector<uint32_t>{257, 257});
  CHECK(model.encode("").empty());
}

TEST_CASE("random words under random merges come out as the definition says") {
  Random random(20261122);
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    std::vector<std::string> known = {"a", "b", "c"};
    std::vector<MergeRule> merges;
    for (int i = 0; i < 25; ++i) {
      const MergeRule rule = {known[random.below(known.size())], known[random.below(known.size())]};
      const bool is_there = std::ranges::any_of(
          merges, [&](const MergeRule& other) { return other.left == rule.left && other.right == rule.right; });
      if (is_there || rule.left.size() + rule.right.size() > 12) continue;
      merges.push_back(rule);
      known.push_back(rule.left + rule.right);
    }
    const Model model(merges);
    for (int word_index = 0; word_index < 20; ++word_index) {
      std::string word;
      for (uint64_t i = random.below(40); i > 0; --i) word += static_cast<char>('a' + random.below(3));
      REQUIRE(model.encode(word) == encode_by_definition(model, word));
    }
  }
}

TEST_CASE("one word of a million bytes takes no quadratic time") {
  std::vector<MergeRule> merges;
  for (size_t size = 1; size <= 64; size *= 2) merges.push_back({std::string(size, 'a'), std::string(size, 'a')});
  const Model model(merges);
  const std::vector<uint32_t> ids = model.encode(std::string(1'000'000, 'a'));
  // 7,812 runs of 128 leave 64, which is one token.
  CHECK(ids.size() == 7813);
  CHECK(ids.front() == 262);
  CHECK(ids.back() == 261);
}

TEST_CASE("with ignore_merges a word that is a token is that token, whatever the merges make of it") {
  Model model(std::vector<MergeRule>{{"a", "b"}});
  REQUIRE(model.vocabulary.add_model_token({"xyz", 300}).ok());
  CHECK(model.encode("xyz") == bytes_of("xyz"));
  model.ignore_merges = true;
  CHECK(model.encode("xyz") == std::vector<uint32_t>{300});
  CHECK(model.encode("wxyz") == bytes_of("wxyz"));
  CHECK(model.encode("ab") == std::vector<uint32_t>{256});
}

TEST_CASE("a byte without a token is refused by name when a text needs it") {
  Vocabulary vocabulary;
  REQUIRE(vocabulary.add_model_token({"a", 0}).ok());
  const Result<Bpe> bpe = Bpe::build(vocabulary, {}, false);
  REQUIRE(bpe.ok());
  CHECK(bpe->missing_utf8_byte() == 0);
  Bpe::Scratch scratch;
  std::vector<uint32_t> ids;
  CHECK(bpe->encode(vocabulary, "aa", scratch, ids).ok());
  const Status status = bpe->encode(vocabulary, "ab", scratch, ids);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::kUnsupported);
  CHECK(status.error().message.find("byte 0x62") != std::string::npos);
}
