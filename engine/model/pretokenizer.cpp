#include "model/pretokenizer.h"

#include "base/assert.h"

namespace amk::model {

PreTokenizerRun::PreTokenizerRun(const std::vector<PreTokenizerStep>& steps) : steps_(steps) {
  for (const PreTokenizerStep& step : steps) {
    matchers_.push_back(step.regex ? std::optional<RegexMatcher>(std::in_place, *step.regex) : std::nullopt);
  }
}

Status PreTokenizerRun::split_from(size_t step_index, std::string_view text, const Sink& sink) const {
  if (text.empty()) return {};
  if (step_index == steps_.size()) return sink(text);
  if (steps_[step_index].add_prefix_space && text.front() != ' ') {
    std::string prefixed(1, ' ');
    prefixed += text;
    return cut(step_index, prefixed, sink);
  }
  return cut(step_index, text, sink);
}

Status PreTokenizerRun::cut(size_t step_index, std::string_view text, const Sink& sink) const {
  if (!matchers_[step_index]) return split_from(step_index + 1, text, sink);
  const bool joins_matches = steps_[step_index].behavior == PreTokenizerStep::Behavior::kContiguous;
  const auto hand_on = [&](size_t begin, size_t end) {
    return split_from(step_index + 1, text.substr(begin, end - begin), sink);
  };
  size_t run_begin = 0;  // [run_begin, run_end) are matches that are not handed on yet
  size_t run_end = 0;
  while (run_end < text.size()) {
    AMK_ASSIGN_OR_RETURN(const std::optional<TextRange> match, matchers_[step_index]->find(text, run_end));
    if (!match) break;
    AMK_ASSERT(match->end > match->begin, "a pattern that can match the empty text was let in");
    if (match->begin != run_end || !joins_matches) {
      AMK_TRY(hand_on(run_begin, run_end));
      AMK_TRY(hand_on(run_end, match->begin));
      run_begin = match->begin;
    }
    run_end = match->end;
  }
  AMK_TRY(hand_on(run_begin, run_end));
  return hand_on(run_end, text.size());
}

}  // namespace amk::model
