// For every rule of rule.def: a program that it alone rejects, one edit away from one that is accepted.
#pragma once

#include <vector>

#include "abi/tables.h"
#include "support/mini_program.h"
#include "validator/validator.h"

namespace amk::test {

/// Where most cases start:  a, b filled on SM 0 and 1;  c = a + b on SM 2;  d = c + a on SM 0.
struct Diamond : MiniProgram {
  BufferId a = vector("a"), b = vector("b"), c = vector("c"), d = vector("d");
  TaskId fill_a = fill(0, a), fill_b = fill(1, b), sum = add(2, a, b, c), last = add(0, c, a, d);
  Diamond() {
    wait(sum, {fill_a, fill_b});
    wait(last, {sum});
  }
  schedule::Task& task(TaskId id) { return program.tasks[id.index()]; }
  schedule::Page& page(BufferId buffer) { return program.pages[buffer.index() - a.index()]; }
};

/// A product in the style of the lowering: e = table[0:8, :] . a on SM 1.
TaskId add_product(Diamond& d);

/// Caches of `context` positions and 32 heads of 2 elements, and for each head a task on SM 1 that appends to them from
/// a and b. Returns the last one.
TaskId add_cache(Diamond& d, uint64_t context);

/// An attention over those caches, of their first head: two splits on SM 1, the second of which joins the first.
TaskId add_splits(Diamond& d);

/// The product's rows as logits, the largest of which is the next token; two tokens a launch.
void add_choice(Diamond& d);

struct RuleCase {
  abi::Rule rule;
  const char* what;
  void (*prepare)(Diamond&);  ///< leaves an accepted program: the neighbour
  void (*edit)(Diamond&);     ///< changes one record of it
  validator::TestHooks hooks = {};

  [[nodiscard]] schedule::Program neighbour() const;
  [[nodiscard]] schedule::Program broken() const;
};

/// At least one for every rule, in the order of rule.def.
const std::vector<RuleCase>& rule_cases();

/// In how many records two programs differ: a buffer, counter, task, queue or page is one, and so are target, meta,
/// config, launch, IR version and size of the scratch memory.
uint64_t edits_between(const schedule::Program& a, const schedule::Program& b);

}  // namespace amk::test
