// Unicode normalisation form C, which Qwen's tokenizers apply before anything else looks at the text.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace amk::model {

/// The NFC form of valid UTF-8 (Unicode Standard Annex #15), by libutf8proc. kUnsupported for more than 256 combining
/// marks in a row: sorting them takes quadratic time, and no text has them.
///
/// huggingface/tokenizers has the tables of Unicode 9 here: it leaves a later mark (98 of them up to Unicode 14, in
/// scripts such as Hanifi Rohingya) where it stands among other marks, which this function sorts.
Result<std::string> to_nfc(std::string_view text);

}  // namespace amk::model
