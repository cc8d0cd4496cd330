// What a proposer in a shared library exports: amk loop --proposer ./libmine.so. Plain C99; build with -shared -fPIC.
//
// The library is loaded into a process of its own, once for a run: what it remembers between calls stays, unless it
// crashes or takes longer than --proposer-seconds. That costs the trial; the next call is to a fresh process. Calls
// come one at a time, all from one thread. What it prints to stdout goes to stderr, whose last lines are shown when it
// fails.
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AMK_PROPOSER_ABI 1

/// Takes `bytes` of the answer. Pieces of several calls are joined; together they are at most 1 MiB.
typedef void (*amk_answer_fn)(void* sink, const char* text, size_t bytes);

/// AMK_PROPOSER_ABI, as the library was built with it; another number is refused when a run begins.
unsigned amk_proposer_abi(void);

/// One candidate. `state` is the campaign as JSON (docs/research-loop.md, External proposers), UTF-8, `state_bytes`
/// long and ended by a zero besides; it is valid during the call. The answer is JSON, through `answer(sink, ...)`:
/// {"schedule": {...}, "note"?: "why"}, knobs that are left out being the incumbent's, or {"done": true}.
/// Returns 0; anything else is a failure, of which what was answered is the reason. No exception may leave it.
int amk_propose(const char* state, size_t state_bytes, amk_answer_fn answer, void* sink);

#ifdef __cplusplus
}
#endif
