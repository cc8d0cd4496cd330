// From the regular expressions of tokenizer.json, which are Oniguruma's, to PCRE2's.
//
// The two dialects spell many things alike and mean them differently (\h, \v, \w, ^, $, [a&&b], {,3}, {1,3}+). Only
// what is known to mean the same in both, or can be rewritten so that it does, passes; the rest is refused by name. A
// pattern that passes therefore splits text as huggingface/tokenizers does. What can differ are characters that only
// one of the two libraries knows yet: PCRE2 10.42 has the Unicode character database of version 14.
// Source: Oniguruma's doc/RE and doc/SYNTAX.md (ONIG_SYNTAX_ONIGURUMA), pcre2pattern(3).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace amk::model {

/// The PCRE2 pattern (for PCRE2_UTF | PCRE2_UCP) that means what `pattern` means to Oniguruma. kUnsupported, naming the
/// construct and its offset, for what is not modelled; `location` names the pattern. `pattern` is valid UTF-8.
///
/// Modelled: literals, escaped punctuation, \n \r \t \f, \s \S \d \D, \p{..} and \P{..} of the general categories
/// L M N P S Z, classes of those with ranges, alternation, groups ( ) (?: ), (?i: ) around plain ASCII, (?= ) (?! ),
/// and the quantifiers ? * + (also lazy and possessive) and {n} {n,} {n,m}.
Result<std::string> translate_oniguruma(std::string_view pattern, const std::string& location);

}  // namespace amk::model
