#include "vm/reference/reference_vm.h"

#include <fmt/format.h>

#include "base/random.h"
#include "vm/reference/bound_program.h"
#include "vm/reference/runners.h"

namespace amk::vm {

struct ReferenceVm::Impl {
  std::unique_ptr<BoundProgram> program;
  ThreadPool* pool = nullptr;
  std::vector<Worker> workers;
  Order order;
  bool poison = false;
  uint32_t position = 0;

  void run_pass() {
    switch (order.kind) {
      case Order::Kind::kPlacement:
        return run_by_placement(*program, *pool, workers);
      case Order::Kind::kAdversarial:
        // Another order at every position, and the same one again when the pass is replayed.
        return run_adversarially(*program, mix64(order.seed) + position, workers.front());
    }
  }
};

ReferenceVm::ReferenceVm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReferenceVm::ReferenceVm(ReferenceVm&&) noexcept = default;
ReferenceVm& ReferenceVm::operator=(ReferenceVm&&) noexcept = default;
ReferenceVm::~ReferenceVm() = default;

Result<ReferenceVm> ReferenceVm::create(const validator::ValidatedProgram& program, const model::Checkpoint& checkpoint,
                                        ThreadPool& pool, bool is_part) {
  auto impl = std::make_unique<Impl>();
  AMK_ASSIGN_OR_RETURN(impl->program, BoundProgram::bind(program, checkpoint, is_part));
  impl->pool = &pool;
  impl->workers.resize(pool.size());
  return ReferenceVm(std::move(impl));
}

Status ReferenceVm::step(uint32_t token) {
  BoundProgram& program = *impl_->program;
  if (impl_->position >= program.context()) {
    return Error{ErrorCode::kUsage, fmt::format("the context of {} positions is full", program.context()), "",
                 "compile for a longer context"};
  }
  if (token >= program.vocab()) {
    return Error{ErrorCode::kUsage, fmt::format("expected a token below {}, found {}", program.vocab(), token), "", ""};
  }
  if (impl_->poison) program.poison(impl_->position);
  program.begin_pass(token, impl_->position);
  impl_->run_pass();
  ++impl_->position;
  return {};
}

std::span<const float> ReferenceVm::logits() const { return impl_->program->logits(); }
uint32_t ReferenceVm::next_token() const { return impl_->program->next_token(); }
uint32_t ReferenceVm::position() const { return impl_->position; }
uint64_t ReferenceVm::vocab() const { return impl_->program->vocab(); }
Result<std::vector<float>> ReferenceVm::values(BufferId buffer) const {
  if (impl_->position == 0) return Error{ErrorCode::kUsage, "expected a pass before its values, found none", "", ""};
  return impl_->program->values(buffer, impl_->position - 1);
}
void ReferenceVm::reset() { impl_->position = 0; }

Status ReferenceVm::set_history(const std::function<float(uint32_t layer, bool value, uint64_t element)>& draw,
                                uint32_t position) {
  if (position > impl_->program->context()) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected at most {} positions, the program's context, found {}",
                             impl_->program->context(), position),
                 "", "compile for a longer context"};
  }
  impl_->program->set_history(draw, position);
  impl_->position = position;
  return {};
}

void ReferenceVm::set_order(Order order) { impl_->order = order; }
void ReferenceVm::set_poison(bool poison) { impl_->poison = poison; }

}  // namespace amk::vm
