// Building tasks and buffers, used by the tile pass: an operand list in, a task with its ranges and cost out.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "schedule/passes/lowering_state.h"

namespace amk::schedule::passes {

class Emitter {
 public:
  explicit Emitter(LoweringState& state) : state_(state) {}

  /// The checkpoint's tensor of that name as a read-only buffer; the same id each time.
  BufferId weight(const std::string& tensor);
  /// The constant table of inverse rotary frequencies, f32[head_dim/2].
  BufferId rope_frequencies();
  BufferId token_in();  ///< u32[1]
  BufferId position();  ///< u32[1]
  BufferId output(std::string_view name, abi::Dtype dtype, uint64_t extent);
  BufferId activation(std::string name, std::initializer_list<uint64_t> extents, abi::Dtype dtype = abi::Dtype::kF32);
  BufferId kv_cache(std::string name);

  /// Opens a stage; the tasks emitted until the next call are its own. `beside`: see Stage.
  void begin_stage(bool beside = false);
  /// Closes the last stage.
  void end_stages();
  /// Appends a task. Fails (kUnsupported) where the instruction cannot do it, which the contract says.
  void task(abi::Opcode opcode, const instructions::Params& params, std::vector<BufferId> operands, std::string label);

  /// The first failure of task(), if any.
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  BufferId add(Buffer buffer);
  BufferId find_or_add(Buffer buffer);

  LoweringState& state_;
  std::map<std::string, BufferId> by_name_;
  Status status_;
};

}  // namespace amk::schedule::passes
