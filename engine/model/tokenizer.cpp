#include "model/tokenizer.h"

#include <fmt/format.h>

#include <utility>

#include "base/files.h"
#include "model/added_tokens.h"
#include "model/bpe.h"
#include "model/normalizer.h"
#include "model/pretokenizer.h"
#include "model/tokenizer_json.h"
#include "model/utf8.h"
#include "model/vocabulary.h"

namespace amk::model {
namespace {

constexpr uint64_t kFileBytesMax = uint64_t{256} << 20;
constexpr size_t kTextBytesMax = size_t{16}
                                 << 20;  // bounds the memory of one word as long as the text: 24 bytes a byte

Error located(Error error, const std::string& location) {
  if (error.location.empty()) error.location = location;
  return error;
}

}  // namespace

struct Tokenizer::Impl {
  Vocabulary vocabulary;
  Bpe bpe;
  AddedTokenFinder literal_tokens;     ///< added tokens looked for in the text as it comes
  AddedTokenFinder normalized_tokens;  ///< and those looked for in its normalised pieces
  bool normalizes_to_nfc = false;
  std::vector<PreTokenizerStep> pre_tokenizer;
  std::vector<uint32_t> prefix_ids;
  std::vector<uint32_t> suffix_ids;

  static Result<std::unique_ptr<Impl>> build(TokenizerSpec spec);
  Status add_finders(std::vector<AddedToken> tokens);
  Status check_unknown_token(const TokenizerSpec& spec) const;
  Status encode_into(std::string_view text, std::vector<uint32_t>& ids) const;
};

Result<std::unique_ptr<Tokenizer::Impl>> Tokenizer::Impl::build(TokenizerSpec spec) {
  auto impl = std::make_unique<Impl>();
  for (const VocabularyEntry& entry : spec.vocabulary) AMK_TRY(impl->vocabulary.add_model_token(entry));
  AMK_ASSIGN_OR_RETURN(impl->bpe, Bpe::build(impl->vocabulary, spec.merges, spec.ignore_merges));
  AMK_TRY(impl->check_unknown_token(spec));
  for (const AddedToken& token : spec.added_tokens) {
    AMK_TRY(impl->vocabulary.add_added_token({token.content, token.id}, token.special));
  }
  impl->normalizes_to_nfc = spec.normalizes_to_nfc;
  AMK_TRY(impl->add_finders(std::move(spec.added_tokens)));
  for (const std::vector<uint32_t>* ids : {&spec.prefix_ids, &spec.suffix_ids}) {
    for (const uint32_t id : *ids) {
      if (!impl->vocabulary.has(id)) {
        return Error{ErrorCode::kBadInput, fmt::format("expected a template of tokens, found id {}, which is none", id),
                     "", ""};
      }
    }
  }
  impl->pre_tokenizer = std::move(spec.pre_tokenizer);
  impl->prefix_ids = std::move(spec.prefix_ids);
  impl->suffix_ids = std::move(spec.suffix_ids);
  return impl;
}

/// An unknown token is never needed where every byte of a text has a token, and not modelled otherwise.
Status Tokenizer::Impl::check_unknown_token(const TokenizerSpec& spec) const {
  const std::optional<uint8_t> missing = bpe.missing_utf8_byte();
  if (!spec.unknown_token || !missing) return {};
  return Error{ErrorCode::kUnsupported,
               fmt::format("expected no unk_token, found '{}' with a vocabulary that lacks byte 0x{:02X}",
                           shown_text(*spec.unknown_token), *missing),
               "", ""};
}

Status Tokenizer::Impl::add_finders(std::vector<AddedToken> tokens) {
  std::vector<AddedToken> literal;
  std::vector<AddedToken> normalized;
  for (AddedToken& token : tokens) {
    if (token.normalized && normalizes_to_nfc) {
      AMK_ASSIGN_OR_RETURN(token.content, to_nfc(token.content));
    }
    (token.normalized ? normalized : literal).push_back(std::move(token));
  }
  AMK_ASSIGN_OR_RETURN(literal_tokens, AddedTokenFinder::build(std::move(literal)));
  AMK_ASSIGN_OR_RETURN(normalized_tokens, AddedTokenFinder::build(std::move(normalized)));
  return {};
}

Status Tokenizer::Impl::encode_into(std::string_view text, std::vector<uint32_t>& ids) const {
  Bpe::Scratch scratch;
  const PreTokenizerRun pre_tokenizer_run(pre_tokenizer);
  const auto encode_word = [&](std::string_view word) { return bpe.encode(vocabulary, word, scratch, ids); };
  const auto encode_normalized = [&](std::optional<uint32_t> id, std::string_view piece) -> Status {
    if (!id) return pre_tokenizer_run.split(piece, encode_word);
    ids.push_back(*id);
    return {};
  };
  const auto encode_literal = [&](std::optional<uint32_t> id, std::string_view piece) -> Status {
    if (id || !normalizes_to_nfc) {
      return id ? encode_normalized(id, piece) : normalized_tokens.split(piece, encode_normalized);
    }
    AMK_ASSIGN_OR_RETURN(const std::string normalized, to_nfc(piece));
    return normalized_tokens.split(normalized, encode_normalized);
  };
  return literal_tokens.split(text, encode_literal);
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::open(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "tokenizer.json";
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(path, kFileBytesMax));
  return parse(text, path.string());
}

Result<Tokenizer> Tokenizer::parse(std::string_view text, const std::string& location) {
  Result<TokenizerSpec> spec = parse_tokenizer_json(text, location);
  if (!spec) return located(spec.error(), location);
  Result<std::unique_ptr<Impl>> impl = Impl::build(std::move(spec).value());
  if (!impl) return located(impl.error(), location);
  return Tokenizer(std::move(impl).value());
}

Result<std::vector<uint32_t>> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  if (text.size() > kTextBytesMax) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("expected a text of at most {} bytes, found {}", kTextBytesMax, text.size()), "", ""};
  }
  if (const size_t offset = find_invalid_utf8(text); offset != std::string_view::npos) {
    return Error{ErrorCode::kBadInput, fmt::format("expected a text in UTF-8, found an invalid byte at {}", offset), "",
                 ""};
  }
  std::vector<uint32_t> ids;
  if (add_special_tokens) ids = impl_->prefix_ids;
  AMK_TRY(impl_->encode_into(text, ids));
  if (add_special_tokens) ids.insert(ids.end(), impl_->suffix_ids.begin(), impl_->suffix_ids.end());
  return ids;
}

Result<std::string> Tokenizer::decode(std::span<const uint32_t> ids, bool skip_special_tokens) const {
  StreamDecoder decoder(*this, skip_special_tokens);
  std::string text;
  for (const uint32_t id : ids) {
    AMK_ASSIGN_OR_RETURN(const std::string piece, decoder.push(id));
    text += piece;
  }
  text += decoder.finish();
  return text;
}

uint32_t Tokenizer::vocab_size() const { return impl_->vocabulary.size(); }
bool Tokenizer::is_special(uint32_t id) const { return impl_->vocabulary.is_special(id); }

std::optional<uint32_t> Tokenizer::id_of(std::string_view token) const {
  if (find_invalid_utf8(token) != std::string_view::npos) return std::nullopt;
  return impl_->vocabulary.id_of(token);
}

std::string_view Tokenizer::token_bytes(uint32_t id) const { return impl_->vocabulary.bytes(id); }

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(tokenizer), skip_special_tokens_(skip_special_tokens) {}

Result<std::string> StreamDecoder::push(uint32_t id) {
  const std::string_view bytes = tokenizer_.token_bytes(id);
  if (bytes.empty()) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected the id of a token, found {}, which is none of {}", id, tokenizer_.vocab_size()),
                 "", ""};
  }
  std::string text;
  if (skip_special_tokens_ && tokenizer_.is_special(id)) return text;
  pending_ += bytes;
  pending_.erase(0, append_lossy_utf8(text, pending_));
  return text;
}

std::string StreamDecoder::finish() {
  std::string text;
  // What is pending is one sequence cut short, which Rust's String::from_utf8_lossy makes one U+FFFD.
  if (!std::exchange(pending_, std::string()).empty()) append_utf8(text, 0xFFFD);
  return text;
}

}  // namespace amk::model
