// Byte pair encoding of one pre-token: its bytes become tokens, then neighbours merge, best rank first.
//
// Source: Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units", ACL 2016;
// huggingface/tokenizers, models/bpe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/vocabulary.h"

namespace amk::model {

/// "left right" of the file, by content. Its rank is its place in the list: the smaller, the earlier it is applied.
struct MergeRule {
  std::string left;
  std::string right;
};

class Bpe {
 public:
  /// Memory one thread reuses from pre-token to pre-token.
  struct Scratch;

  /// kBadInput where a merge names a token that `vocabulary` (kept by the caller) lacks. With `ignore_merges` a
  /// pre-token that is a token as a whole is taken as that, whatever the merges say.
  static Result<Bpe> build(const Vocabulary& vocabulary, const std::vector<MergeRule>& merges, bool ignore_merges);

  /// Appends the tokens of `pre_token`, fewer than 2^32 - 1 raw bytes, to `ids`. O(n log n) in its length.
  /// kUnsupported where a byte of it has no token. `vocabulary` is the one it was built from.
  Status encode(const Vocabulary& vocabulary, std::string_view pre_token, Scratch& scratch,
                std::vector<uint32_t>& ids) const;

  /// The first byte value that occurs in valid UTF-8 and has no token.
  [[nodiscard]] std::optional<uint8_t> missing_utf8_byte() const;

 private:
  struct Merge {
    uint64_t pair = kNoPair;
    uint32_t rank = 0;
    uint32_t merged_id = 0;
  };
  static constexpr uint64_t kNoPair = UINT64_MAX;  // no pair of ids: ids are below kTokenIdEnd

  void insert(uint64_t pair, uint32_t rank, uint32_t merged_id);
  [[nodiscard]] const Merge* find(uint32_t left, uint32_t right) const;
  void merge_all(Scratch& scratch) const;
  void propose(Scratch& scratch, uint32_t position) const;

  std::array<uint32_t, 256> byte_ids_{};  ///< by byte; kNoId where it has no token
  std::vector<Merge> table_;              ///< open addressing, linear probing; a power of two, at most half full
  bool ignore_merges_ = false;
};

struct Bpe::Scratch {
  /// A token in the word under construction; those that were merged into their left neighbour are out of the list.
  struct Symbol {
    uint32_t id;
    uint32_t previous;
    uint32_t next;
  };
  /// A merge of the symbol at `position` with the one after it, as they were when it was found.
  struct Candidate {
    uint32_t rank;
    uint32_t position;
    uint32_t merged_id;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

}  // namespace amk::model
