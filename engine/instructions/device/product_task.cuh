// Every instruction that multiplies, in one body: they differ in how the input is staged and in what becomes of a row's
// sum, and share the loop between. One loop keeps the registers and the instruction cache for itself.
#pragma once

#include "instructions/combine/combine.cuh"
#include "instructions/gate_up/gate_up.cuh"
#include "instructions/gemv/gemv.cuh"
#include "instructions/qkv/qkv.cuh"

namespace amk::device {

using abi::Opcode;

constexpr bool is_product(Opcode opcode) {
  switch (opcode) {
    case Opcode::kGemv:
    case Opcode::kNormGemv:
    case Opcode::kGemvResidual:
    case Opcode::kCombineGemvResidual:
    case Opcode::kQkvRopeAppend:
    case Opcode::kNormQkvRopeAppend:
    case Opcode::kGateUpSilu:
    case Opcode::kNormGateUpSilu:
      return true;
    default:
      return false;
  }
}

/// Calls body.template operator()<opcode>() for the product at hand, among those that this build has.
template <typename Body>
__device__ __forceinline__ void with_product(Opcode opcode, Body&& body) {
  switch (opcode) {
#define AMK_OPCODE(Name, code, folder, Record, min_arch, doc)                    \
  case Opcode::k##Name:                                                          \
    if constexpr (is_product(Opcode::k##Name) && build::uses(Opcode::k##Name)) { \
      body.template operator()<Opcode::k##Name>();                               \
    }                                                                            \
    break;
#include "abi/opcode.def"
  }
}

/// The build knobs of a product (instruction_knob.def).
struct ProductKnobs {
  uint32_t pairs_ahead;
  uint32_t batch_tiles;
  constexpr bool operator==(const ProductKnobs&) const = default;
};
constexpr ProductKnobs knobs_of(Opcode opcode) {
  namespace knob = build::knob;
  switch (opcode) {
    case Opcode::kQkvRopeAppend:
    case Opcode::kNormQkvRopeAppend:
      return {knob::qkv_pairs_ahead, knob::qkv_batch_tiles};
    case Opcode::kGateUpSilu:
    case Opcode::kNormGateUpSilu:
      return {knob::gate_up_pairs_ahead, knob::gate_up_batch_tiles};
    default:
      return {knob::gemv_pairs_ahead, knob::gemv_batch_tiles};
  }
}
static_assert(build::knob::gemv_batch_tiles <= kBatchTiles && build::knob::qkv_batch_tiles <= kBatchTiles &&
                  build::knob::gate_up_batch_tiles <= kBatchTiles,
              "there is room for the sums of kBatchTiles tiles");
/// Whether some product of this build has that many pairs under way.
constexpr bool some_product_has(uint32_t pairs_ahead) {
  for (uint32_t code = 0; code < abi::kOpcodeCount; ++code) {
    const auto opcode = static_cast<Opcode>(code);
    if (is_product(opcode) && build::uses(opcode) && knobs_of(opcode).pairs_ahead == pairs_ahead) return true;
  }
  return false;
}
/// Whether all products of this build have the knobs of `opcode`: nothing is then asked at run time.
constexpr bool all_products_are_like(ProductKnobs knobs) {
  for (uint32_t code = 0; code < abi::kOpcodeCount; ++code) {
    const auto opcode = static_cast<Opcode>(code);
    if (is_product(opcode) && build::uses(opcode) && !(knobs_of(opcode) == knobs)) return false;
  }
  return true;
}
/// The knobs of the first product of this build.
constexpr ProductKnobs first_knobs() {
  for (uint32_t code = 0; code < abi::kOpcodeCount; ++code) {
    const auto opcode = static_cast<Opcode>(code);
    if (is_product(opcode) && build::uses(opcode)) return knobs_of(opcode);
  }
  return knobs_of(Opcode::kGemv);
}
inline constexpr ProductKnobs kFirstKnobs = first_knobs();
inline constexpr bool kOneKindOfProduct = all_products_are_like(kFirstKnobs);

/// Calls body.template operator()<pairs>() for the pairs that this product has under way, among those of this build.
template <typename Body>
__device__ __forceinline__ void with_pairs_ahead(Opcode opcode, Body&& body) {
  if constexpr (kOneKindOfProduct) {
    body.template operator()<kFirstKnobs.pairs_ahead>();
  } else {
    const uint32_t pairs = knobs_of(opcode).pairs_ahead;
    if constexpr (some_product_has(2)) {
      if (pairs == 2) return body.template operator()<2>();
    }
    if constexpr (some_product_has(4)) {
      if (pairs == 4) return body.template operator()<4>();
    }
    if constexpr (some_product_has(6)) {
      if (pairs == 6) return body.template operator()<6>();
    }
    if constexpr (some_product_has(8)) {
      if (pairs == 8) return body.template operator()<8>();
    }
  }
}
/// Tiles whose sums this product joins at once: no more than there are warps to join them.
__device__ __forceinline__ uint32_t batch_tiles_of(Opcode opcode) {
  if constexpr (kOneKindOfProduct) {
    return kFirstKnobs.batch_tiles < kWarps ? kFirstKnobs.batch_tiles : kWarps;
  } else {
    return min(knobs_of(opcode).batch_tiles, kWarps);
  }
}

/// What a lane keeps of its row while the products run.
union RowState {
  LoadedWord residual;
  DeviceRotation turn;
  __device__ RowState() : residual() {}
};

struct ProductEpilogue {
  RowState state;

  __device__ __forceinline__ void prepare(const Block& block, const TaskRecord& task, uint32_t tile) {
    with_product(task.opcode, [&]<Opcode kOp>() {
      if constexpr (kOp == Opcode::kGemvResidual || kOp == Opcode::kCombineGemvResidual) {
        state.residual = fetch_residual<kOp>(block, task, tile);
      } else if constexpr (kOp == Opcode::kQkvRopeAppend || kOp == Opcode::kNormQkvRopeAppend) {
        state.turn = rotation_of_pair<kOp>(block, task, tile);
      }
    });
  }
  __device__ __forceinline__ void finish(const Block& block, const TaskRecord& task, uint32_t tile, float sum) {
    with_product(task.opcode, [&]<Opcode kOp>() {
      if constexpr (kOp == Opcode::kGemv || kOp == Opcode::kNormGemv) {
        store_row<kOp>(block, task, tile, sum);
      } else if constexpr (kOp == Opcode::kGemvResidual || kOp == Opcode::kCombineGemvResidual) {
        add_residual<kOp>(block, task, tile, sum, state.residual);
      } else if constexpr (kOp == Opcode::kQkvRopeAppend || kOp == Opcode::kNormQkvRopeAppend) {
        rotate_and_append<kOp>(block, task, tile, sum, state.turn);
      } else {
        join_gate_up<kOp>(block, task, tile, sum);
      }
    });
  }
};

/// Where a product finds its input, and how it is to be taken.
struct InputPlace {
  uint64_t x = 0;               ///< operand
  const float* norm = nullptr;  ///< null where the input is not normalised
  float eps = -1.0F;            ///< negative where the input is not normalised
};

__device__ __forceinline__ InputPlace input_of(const TaskRecord& task) {
  InputPlace place;
  with_product(task.opcode, [&]<Opcode kOp>() {
    if constexpr (kOp == Opcode::kNormGemv || kOp == Opcode::kNormQkvRopeAppend || kOp == Opcode::kNormGateUpSilu) {
      place.x = task.operand[operand_at(kOp, "x")];
      place.norm = reinterpret_cast<const float*>(task.operand[operand_at(kOp, "norm")]);
      if constexpr (kOp == Opcode::kNormQkvRopeAppend) {
        place.eps = params_of<abi::NormQkvParams>(task).eps;
      } else {
        place.eps = params_of<abi::NormGemvParams>(task).eps;
      }
    } else if constexpr (kOp == Opcode::kCombineGemvResidual) {
      place.x = task.operand[operand_at(kOp, "partials")];
    } else {
      place.x = task.operand[operand_at(kOp, "x")];
    }
  });
  return place;
}

/// Stages the task's input; returns the eps of a normalised one, a negative number for any other.
template <typename Product, uint32_t kPairsAhead>
__device__ __forceinline__ float stage_task(const Block& block, Progress& at, const TaskRecord& task) {
  const InputPlace place = input_of(task);
  const Activation x(block, place.x);
  if (build::uses(Opcode::kCombineGemvResidual) && task.opcode == Opcode::kCombineGemvResidual) {
    const auto& params = params_of<abi::CombineGemvParams>(task);
    const CombineInput<Product::kLaneColumns> input{block, Partials(block, x, params.splits, task.sparse_kv_block)};
    stage_input<Product, kPairsAhead>(block, input, task.columns, task.units);
  } else {
    const VectorInput input{x, task.columns};
    if (place.norm == nullptr) {
      stage_input<Product, kPairsAhead>(block, input, task.columns, task.units);
    } else {
      leave_squares(block, at,
                    stage_input<Product, kPairsAhead>(block, NormInput{input, place.norm}, task.columns, task.units));
    }
  }
  return place.eps;
}

template <WeightFormat kFormat>
__device__ __forceinline__ void run_product(Block& block, Progress& at, const TaskRecord& task, uint32_t place) {
  using Used = ProductOf<kFormat>;
  const uint32_t square_parity = at.square_parity;
  float eps = -1.0F;
  with_pairs_ahead(task.opcode, [&]<uint32_t kPairsAhead>() { eps = stage_task<Used, kPairsAhead>(block, at, task); });
  __syncwarp();
  stamp(block, &TraceRecord::staged, place);
  ProductEpilogue epilogue;
  multiply_tiles<Used>(block, at, task, epilogue, batch_tiles_of(task.opcode), eps, square_parity, place);
}

}  // namespace amk::device
