#include "model/tokenizer_json.h"

#include <doctest/doctest.h>

#include <functional>

#include "base/random.h"
#include "unit/model/small_tokenizer.h"

using namespace amk;
using namespace amk::model;
using nlohmann::json;

namespace {

struct Refusal {
  const char* what;
  std::function<void(json&)> change;
  ErrorCode code;
  const char* message_part;
  const char* start;  ///< of the whole text: the file and the field
};

json sequence(const char* list_key, std::initializer_list<json> steps) {
  return {{"type", "Sequence"}, {list_key, json(std::vector<json>(steps))}};
}

json template_of(const json& single) {
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", json::array()},
          {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {256}}, {"tokens", {"<s>"}}}}}}};
}

const json kSequenceA = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
const json kStart = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};

void check_refusals(const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) {
    CAPTURE(refusal.what);
    json file = small_tokenizer();
    refusal.change(file);
    const Result<Tokenizer> tokenizer = parse(file);
    REQUIRE_FALSE(tokenizer.ok());
    CHECK(tokenizer.error().code == refusal.code);
    CAPTURE(tokenizer.error().text());
    CHECK(tokenizer.error().message.find(refusal.message_part) != std::string::npos);
    CHECK(tokenizer.error().text().starts_with(refusal.start));
  }
}

}  // namespace

TEST_CASE("what a tokenizer.json may ask for and is not modelled is refused by name") {
  constexpr ErrorCode kCode = ErrorCode::kUnsupported;
  check_refusals({
      {"version", [](json& f) { f["version"] = "2.0"; }, kCode, R"(found "2.0")", "small.json: version"},
      {"member", [](json& f) { f["decoders"] = 1; }, kCode, "did you mean 'decoder'", "small.json: decoders"},
      {"truncation",
       [](json& f) {
         f["truncation"] = {{"max_length", 5}};
       },
       kCode, "expected null", "small.json: truncation"},
      {"padding",
       [](json& f) {
         f["padding"] = {{"pad_id", 5}};
       },
       kCode, "expected null", "small.json: padding"},
      {"model", [](json& f) { f["model"]["type"] = "Unigram"; }, kCode, R"(found "Unigram")", "small.json: model.type"},
      {"model member", [](json& f) { f["model"]["vocabulary"] = 1; }, kCode, "expected no such key",
       "small.json: model.vocabulary"},
      {"dropout", [](json& f) { f["model"]["dropout"] = 0.1; }, kCode, "found 0.1", "small.json: model.dropout"},
      {"prefix", [](json& f) { f["model"]["continuing_subword_prefix"] = "##"; }, kCode, "found \"##\"",
       "small.json: model.continuing_subword_prefix"},
      {"suffix", [](json& f) { f["model"]["end_of_word_suffix"] = "</w>"; }, kCode, "found \"</w>\"",
       "small.json: model.end_of_word_suffix"},
      {"fuse_unk", [](json& f) { f["model"]["fuse_unk"] = true; }, kCode, "expected null",
       "small.json: model.fuse_unk"},
      {"byte_fallback", [](json& f) { f["model"]["byte_fallback"] = true; }, kCode, "expected null",
       "small.json: model.byte_fallback"},
      {"unk_token",
       [](json& f) {
         f["model"]["unk_token"] = "<unk>";
         f["model"]["vocab"].erase("a");
       },
       kCode, "'<unk>' with a vocabulary that lacks byte 0x61", "small.json"},
      {"normalizer",
       [](json& f) {
         f["normalizer"] = {{"type", "NFKC"}};
       },
       kCode, R"(found "NFKC")", "small.json: normalizer"},
      {"normalizer in a sequence",
       [](json& f) {
         f["normalizer"] = sequence("normalizers", {{{"type", "NFC"}}, {{"type", "Lowercase"}}});
       },
       kCode, R"(found "Lowercase")", "small.json: normalizer.normalizers[1]"},
      {"no pre-tokenizer", [](json& f) { f["pre_tokenizer"] = nullptr; }, kCode, "found null",
       "small.json: pre_tokenizer"},
      {"pre-tokenizer",
       [](json& f) {
         f["pre_tokenizer"] = {{"type", "Metaspace"}};
       },
       kCode, R"(found "Metaspace")", "small.json: pre_tokenizer"},
      {"pre-tokenizer after ByteLevel",
       [](json& f) {
         f["pre_tokenizer"] = sequence("pretokenizers", {byte_level_step(true), byte_level_step(true)});
       },
       kCode, R"(before the last pre-tokenizer, found "ByteLevel")", "small.json: pre_tokenizer.pretokenizers[0]"},
      {"unknown pre-tokenizer in a sequence",
       [](json& f) {
         f["pre_tokenizer"] = sequence("pretokenizers", {{{"type", "Whitespace"}}, byte_level_step(true)});
       },
       kCode, R"(found "Whitespace")", "small.json: pre_tokenizer.pretokenizers[0]"},
      {"empty sequence", [](json& f) { f["pre_tokenizer"] = sequence("pretokenizers", {}); }, kCode,
       "at least a byte-level pre-tokenizer", "small.json: pre_tokenizer"},
      {"split behavior",
       [](json& f) {
         f["pre_tokenizer"] = split_steps("a");
         f["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed";
       },
       kCode, R"(found "Removed")", "small.json: pre_tokenizer.pretokenizers[0].behavior"},
      {"pattern", [](json& f) { f["pre_tokenizer"] = split_steps(R"(\w+)"); }, kCode, R"('\w')",
       "small.json: pre_tokenizer.pretokenizers[0].pattern.Regex"},
      {"pattern that matches nothing", [](json& f) { f["pre_tokenizer"] = split_steps("a*"); }, kCode, "empty text",
       "small.json: pre_tokenizer.pretokenizers[0].pattern.Regex"},
      {"post-processor",
       [](json& f) {
         f["post_processor"] = {{"type", "RobertaProcessing"}};
       },
       kCode, R"(found "RobertaProcessing")", "small.json: post_processor"},
      {"template with B",
       [](json& f) {
         f["post_processor"] = template_of({{{"Sequence", {{"id", "B"}, {"type_id", 0}}}}});
       },
       kCode, R"(found "B")", "small.json: post_processor.single[0]"},
      {"template without A", [](json& f) { f["post_processor"] = template_of(json::array()); }, kCode,
       R"(expected sequence "A")", "small.json: post_processor.single"},
      {"no decoder", [](json& f) { f["decoder"] = nullptr; }, kCode, "found null", "small.json: decoder"},
      {"decoder",
       [](json& f) {
         f["decoder"] = {{"type", "WordPiece"}};
       },
       kCode, R"(found "WordPiece")", "small.json: decoder"},
      {"two decoders",
       [](json& f) {
         f["decoder"] = sequence("decoders", {byte_level_step(true), byte_level_step(true)});
       },
       kCode, "expected one decoder, not 2", "small.json: decoder"},
      {"added token that would be renumbered", [](json& f) { add_token(f, 300, "<x>"); }, kCode,
       "next free id, 256, found 300", "small.json"},
      {"added token's member",
       [](json& f) {
         add_token(f, 256, "<x>", {{"strip", true}});
       },
       kCode, "did you mean 'lstrip'", "small.json: added_tokens[0].strip"},
  });
}

TEST_CASE("a broken tokenizer.json is bad input that says where") {
  constexpr ErrorCode kCode = ErrorCode::kBadInput;
  check_refusals({
      {"no version", [](json& f) { f.erase("version"); }, kCode, "found no such key", "small.json: version"},
      {"no object", [](json& f) { f = json::array(); }, kCode, "expected an object, found []", "small.json: "},
      {"no model", [](json& f) { f.erase("model"); }, kCode, "expected an object, found no such key",
       "small.json: model"},
      {"no merges", [](json& f) { f["model"].erase("merges"); }, kCode, "found no such key",
       "small.json: model.merges"},
      {"vocab of another kind", [](json& f) { f["model"]["vocab"] = json::array(); }, kCode,
       "expected an object, found []", "small.json: model.vocab"},
      {"id that is no number", [](json& f) { f["model"]["vocab"]["zz"] = "7"; }, kCode, R"(token 'zz', found "7")",
       "small.json: model.vocab"},
      {"negative id", [](json& f) { f["model"]["vocab"]["zz"] = -7; }, kCode, "token 'zz', found -7",
       "small.json: model.vocab"},
      {"id above 32 bits", [](json& f) { f["model"]["vocab"]["zz"] = uint64_t{1} << 32; }, kCode, "4294967296",
       "small.json: model.vocab"},
      {"id that would need a huge table", [](json& f) { f["model"]["vocab"]["zz"] = 1U << 31; }, kCode,
       "expected ids below 4194304, found 2147483648", "small.json"},
      {"id twice", [](json& f) { f["model"]["vocab"]["zz"] = 7; }, kCode, "with id 7", "small.json"},
      {"empty token", [](json& f) { f["model"]["vocab"][""] = 256; }, kCode, "at least one byte", "small.json"},
      {"merge of a missing token", [](json& f) { f["model"]["merges"] = {"a qq"}; }, kCode, "'qq' in merge 0",
       "small.json"},
      {"merge into a missing token",
       [](json& f) {
         f["model"]["merges"] = json::array({json::array({"a", "b"})});
       },
       kCode, "'ab' in merge 0", "small.json"},
      {"merge of one", [](json& f) { f["model"]["merges"] = {"ab"}; }, kCode, "'ab'", "small.json: model.merges[0]"},
      {"merge of three", [](json& f) { f["model"]["merges"] = {"a b c"}; }, kCode, "'a b c'",
       "small.json: model.merges[0]"},
      {"pair of three",
       [](json& f) {
         f["model"]["merges"] = json::array({{"a", "b", "c"}});
       },
       kCode, R"(found ["a","b","c"])", "small.json: model.merges[0]"},
      {"merges of both forms",
       [](json& f) {
         f["model"]["vocab"]["ab"] = 256;
         f["model"]["merges"] = json::array({"a b", json::array({"a", "b"})});
       },
       kCode, "all strings or all pairs", "small.json: model.merges[1]"},
      {"added token twice",
       [](json& f) {
         add_token(f, 256, "<x>");
         add_token(f, 257, "<x>");
       },
       kCode, "'<x>' twice", "small.json"},
      {"added token with another's id", [](json& f) { add_token(f, 9, "<x>"); }, kCode, "with id 9", "small.json"},
      {"added token with another id than in vocab", [](json& f) { add_token(f, 256, "a"); }, kCode,
       "its id in the vocabulary, 97, found 256", "small.json"},
      {"added token without a flag",
       [](json& f) {
         add_token(f, 256, "<x>");
         f["added_tokens"][0].erase("lstrip");
       },
       kCode, "expected true or false, found no such key", "small.json: added_tokens[0].lstrip"},
      {"empty added token", [](json& f) { add_token(f, 256, ""); }, kCode, "at least one byte", "small.json"},
      {"regular expression", [](json& f) { f["pre_tokenizer"] = split_steps("[z-a]"); }, kCode, "regular expression",
       "small.json: pre_tokenizer.pretokenizers[0].pattern.Regex"},
      {"template token without an id",
       [](json& f) {
         f["post_processor"] = template_of({{{"SpecialToken", {{"id", "<q>"}, {"type_id", 0}}}}, kSequenceA});
       },
       kCode, R"(special_tokens, found "<q>")", "small.json: post_processor.single[0].SpecialToken"},
      {"template id that is no token",
       [](json& f) {
         f["post_processor"] = template_of({kStart, kSequenceA});
       },
       kCode, "id 256", "small.json"},
  });
}

TEST_CASE("a token of the vocabulary that is there twice is bad input") {
  std::string text = small_tokenizer().dump();
  const size_t place = text.find("\"a\":97");
  REQUIRE(place != std::string::npos);
  text.insert(place, "\"a\":97,");
  const Result<Tokenizer> tokenizer = Tokenizer::parse(text, "small.json");
  REQUIRE_FALSE(tokenizer.ok());
  CHECK(tokenizer.error().code == ErrorCode::kBadInput);
  CHECK(tokenizer.error().message.find("'a' twice") != std::string::npos);
}

TEST_CASE("settings that are off, and forms that older files have, are accepted") {
  json file = small_tokenizer();
  json& model = file["model"];
  model["dropout"] = 0.0;
  model["continuing_subword_prefix"] = "";
  model["end_of_word_suffix"] = "";
  model["unk_token"] = "";
  model.erase("type");
  model.erase("byte_fallback");
  model.erase("ignore_merges");
  model["vocab"]["ab"] = 256;
  model["merges"] = {"#version: 0.2", "a b"};
  file["decoder"] = sequence("decoders", {{{"type", "ByteLevel"}}});
  file["pre_tokenizer"].erase("use_regex");
  file["post_processor"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}};
  const Result<Tokenizer> tokenizer = parse(file);
  REQUIRE_MESSAGE(tokenizer.ok(), tokenizer.error().text());
  CHECK(*tokenizer->encode("ab c", true) == std::vector<uint32_t>{256, ' ', 'c'});
}

TEST_CASE("post-processors in sequence each go around what the one before made, and only when asked") {
  json file = small_tokenizer();
  add_token(file, 256, "<s>", {{"special", true}});
  file["post_processor"] = sequence("processors", {byte_level_step(true), template_of({kStart, kSequenceA}),
                                                   template_of({kStart, kStart, kSequenceA, kStart})});
  const Result<Tokenizer> tokenizer = parse(file);
  REQUIRE(tokenizer.ok());
  CHECK(*tokenizer->encode("a", true) == std::vector<uint32_t>{256, 256, 256, 'a', 256});
  CHECK(*tokenizer->encode("a", false) == std::vector<uint32_t>{'a'});
  CHECK(*tokenizer->encode("", true) == std::vector<uint32_t>{256, 256, 256, 256});
}

TEST_CASE("no cut and no changed byte of a file does worse than an error") {
  json file = small_tokenizer();
  add_merge(file, "a", "b");
  add_token(file, 257, "<s>", {{"special", true}});
  file["pre_tokenizer"] = split_steps(kLlama3Pattern);
  file["post_processor"] = template_of({kStart, kSequenceA});
  const std::string text = file.dump();
  Random random(7);
  for (int round = 0; round < 1500; ++round) {
    std::string broken = text.substr(0, round % 3 == 0 ? random.below(text.size()) : text.size());
    for (uint64_t i = random.below(4); i > 0 && !broken.empty(); --i) {
      broken[random.below(broken.size())] = text[random.below(text.size())];
    }
    const Result<Tokenizer> tokenizer = Tokenizer::parse(broken, "broken.json");
    if (!tokenizer.ok()) continue;
    const auto ids = tokenizer->encode("ab <s> 123\n", true);
    if (ids.ok()) CHECK(tokenizer->decode(*ids, false).ok());
  }
}
