#include "model/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <tuple>

#include "base/assert.h"
#include "base/random.h"
#include "model/utf8.h"

namespace amk::model {
namespace {

constexpr uint32_t kNoId = UINT32_MAX;
constexpr uint32_t kNoSymbol = UINT32_MAX;

constexpr uint64_t pair_key(uint32_t left, uint32_t right) { return (uint64_t{left} << 32) | right; }

/// Whether `a` comes after `b`: the heap's front is then the best rank, the leftmost of equals.
bool comes_after(const Bpe::Scratch::Candidate& a, const Bpe::Scratch::Candidate& b) {
  return std::tie(a.rank, a.position) > std::tie(b.rank, b.position);
}

Error unknown_merge_token(size_t rank, std::string_view content) {
  return Error{
      ErrorCode::kBadInput,
      fmt::format("expected merges of tokens in the vocabulary, found '{}' in merge {}", shown_text(content), rank), "",
      ""};
}

}  // namespace

Result<Bpe> Bpe::build(const Vocabulary& vocabulary, const std::vector<MergeRule>& merges, bool ignore_merges) {
  Bpe bpe;
  bpe.ignore_merges_ = ignore_merges;
  for (size_t byte = 0; byte < bpe.byte_ids_.size(); ++byte) {
    const char text = static_cast<char>(static_cast<uint8_t>(byte));
    bpe.byte_ids_[byte] = vocabulary.model_id_of_bytes({&text, 1}).value_or(kNoId);
  }
  bpe.table_.resize(std::bit_ceil(2 * merges.size() + 1));
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const MergeRule& rule = merges[rank];
    const std::string merged = rule.left + rule.right;
    const std::optional<uint32_t> left = vocabulary.model_id_of(rule.left);
    const std::optional<uint32_t> right = vocabulary.model_id_of(rule.right);
    const std::optional<uint32_t> merged_id = vocabulary.model_id_of(merged);
    if (!left) return unknown_merge_token(rank, rule.left);
    if (!right) return unknown_merge_token(rank, rule.right);
    if (!merged_id) return unknown_merge_token(rank, merged);
    bpe.insert(pair_key(*left, *right), static_cast<uint32_t>(rank), *merged_id);
  }
  return bpe;
}

/// A pair that is there twice takes its last rank, as in huggingface/tokenizers.
void Bpe::insert(uint64_t pair, uint32_t rank, uint32_t merged_id) {
  const size_t mask = table_.size() - 1;
  size_t index = mix64(pair) & mask;
  while (table_[index].pair != kNoPair && table_[index].pair != pair) index = (index + 1) & mask;
  table_[index] = Merge{pair, rank, merged_id};
}

const Bpe::Merge* Bpe::find(uint32_t left, uint32_t right) const {
  const uint64_t pair = pair_key(left, right);
  const size_t mask = table_.size() - 1;
  size_t index = mix64(pair) & mask;
  while (table_[index].pair != pair) {
    if (table_[index].pair == kNoPair) return nullptr;
    index = (index + 1) & mask;
  }
  return &table_[index];
}

Status Bpe::encode(const Vocabulary& vocabulary, std::string_view pre_token, Scratch& scratch,
                   std::vector<uint32_t>& ids) const {
  AMK_ASSERT(pre_token.size() < kNoSymbol, "a pre-token whose positions do not fit 32 bits");
  if (ignore_merges_) {
    if (const std::optional<uint32_t> whole = vocabulary.model_id_of_bytes(pre_token); whole) {
      ids.push_back(*whole);
      return {};
    }
  }
  scratch.symbols.clear();
  for (const char c : pre_token) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte_ids_[byte] == kNoId) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("expected a text that the vocabulary can spell, found byte 0x{:02X} in '{}', which has "
                               "no token",
                               byte, shown_text(pre_token)),
                   "", ""};
    }
    const auto position = static_cast<uint32_t>(scratch.symbols.size());
    scratch.symbols.push_back({byte_ids_[byte], position == 0 ? kNoSymbol : position - 1, position + 1});
  }
  if (scratch.symbols.empty()) return {};
  scratch.symbols.back().next = kNoSymbol;
  merge_all(scratch);
  for (uint32_t i = 0; i != kNoSymbol; i = scratch.symbols[i].next) ids.push_back(scratch.symbols[i].id);
  return {};
}

/// Puts the merge of the symbol at `position` with its right neighbour, if there is one, among the candidates.
void Bpe::propose(Scratch& scratch, uint32_t position) const {
  const Scratch::Symbol& symbol = scratch.symbols[position];
  if (symbol.next == kNoSymbol) return;
  const Merge* merge = find(symbol.id, scratch.symbols[symbol.next].id);
  if (merge == nullptr) return;
  scratch.heap.push_back({merge->rank, position, merge->merged_id});
  std::ranges::push_heap(scratch.heap, comes_after);
}

/// Applies the best candidate until there is none. A candidate whose symbols have since changed is dropped: what they
/// became was proposed when they changed.
void Bpe::merge_all(Scratch& scratch) const {
  scratch.heap.clear();
  for (uint32_t i = 0; i + 1 < scratch.symbols.size(); ++i) {
    const Merge* merge = find(scratch.symbols[i].id, scratch.symbols[i + 1].id);
    if (merge != nullptr) scratch.heap.push_back({merge->rank, i, merge->merged_id});
  }
  std::ranges::make_heap(scratch.heap, comes_after);
  while (!scratch.heap.empty()) {
    std::ranges::pop_heap(scratch.heap, comes_after);
    const Scratch::Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Scratch::Symbol& left = scratch.symbols[best.position];
    if (left.id == kNoId || left.next == kNoSymbol) continue;
    Scratch::Symbol& right = scratch.symbols[left.next];
    const Merge* merge = find(left.id, right.id);
    if (merge == nullptr || merge->rank != best.rank) continue;
    left.id = best.merged_id;
    left.next = right.next;
    right.id = kNoId;
    if (left.next != kNoSymbol) scratch.symbols[left.next].previous = best.position;
    if (left.previous != kNoSymbol) propose(scratch, left.previous);
    propose(scratch, best.position);
  }
}

std::optional<uint8_t> Bpe::missing_utf8_byte() const {
  for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    const bool is_in_utf8 = byte < 0xC0 || (byte > 0xC1 && byte < 0xF5);
    if (is_in_utf8 && byte_ids_[byte] == kNoId) return static_cast<uint8_t>(byte);
  }
  return std::nullopt;
}

}  // namespace amk::model
