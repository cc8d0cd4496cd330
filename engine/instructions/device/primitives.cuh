// The few PTX instructions that CUDA C++ has no words for, each with its section of the PTX ISA.
#pragma once

#include "instructions/device/records.h"

namespace amk::device {

constexpr uint32_t kAllLanes = 0xffffffffU;
constexpr float kInfinity = __builtin_bit_cast(float, 0x7f800000U);

__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

/// Nanoseconds of a clock that all SMs share (PTX ISA, "%globaltimer").
__device__ __forceinline__ uint64_t global_time() {
  uint64_t time;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(time));
  return time;
}

// ---- global memory: loads that see what other SMs wrote -------------------------------------------------------------

/// Acquire: what the writer did before its release is visible afterwards (PTX ISA, "Memory Consistency Model").
__device__ __forceinline__ uint32_t load_acquire(const uint32_t* address) {
  uint32_t value;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
  return value;
}
__device__ __forceinline__ void add_release(uint32_t* address, uint32_t value) {
  asm volatile("red.release.gpu.global.add.u32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
}

/// Loads past the L1 cache, which other SMs' stores do not reach.
__device__ __forceinline__ float load_l2(const float* address) {
  float value;
  asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(value) : "l"(address) : "memory");
  return value;
}
__device__ __forceinline__ float2 load_l2(const float2* address) {
  float2 value;
  asm volatile("ld.global.cg.v2.f32 {%0, %1}, [%2];" : "=f"(value.x), "=f"(value.y) : "l"(address) : "memory");
  return value;
}
__device__ __forceinline__ uint4 load_l2(const uint4* address) {
  uint4 value;
  asm volatile("ld.global.cg.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "l"(address)
               : "memory");
  return value;
}
__device__ __forceinline__ uint2 load_l2(const uint2* address) {
  uint2 value;
  asm volatile("ld.global.cg.v2.u32 {%0, %1}, [%2];" : "=r"(value.x), "=r"(value.y) : "l"(address) : "memory");
  return value;
}
__device__ __forceinline__ uint16_t load_l2(const uint16_t* address) {
  uint16_t value;
  asm volatile("ld.global.cg.u16 %0, [%1];" : "=h"(value) : "l"(address) : "memory");
  return value;
}
__device__ __forceinline__ uint32_t load_l2(const uint32_t* address) {
  uint32_t value;
  asm volatile("ld.global.cg.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
  return value;
}

// ---- packets: a value and the tag that says it has come, in one 8-byte store
// ------------------------------------------

struct alignas(8) Packet {
  uint32_t value = 0;
  uint32_t tag = 0;
};
struct alignas(16) PacketPair {
  Packet first;
  Packet second;
};

/// An 8-byte access that is aligned to 8 is single-copy atomic, so value and tag arrive together.
__device__ __forceinline__ void store_packet(Packet* address, uint32_t value, uint32_t tag) {
  const uint64_t both = (static_cast<uint64_t>(tag) << 32) | value;
  asm volatile("st.relaxed.gpu.global.b64 [%0], %1;" ::"l"(address), "l"(both) : "memory");
}
__device__ __forceinline__ void store_packets(Packet* address, uint32_t first, uint32_t second, uint32_t tag) {
  const uint64_t above = static_cast<uint64_t>(tag) << 32;
  asm volatile("st.relaxed.gpu.global.v2.b64 [%0], {%1, %2};" ::"l"(address), "l"(above | first), "l"(above | second)
               : "memory");
}
__device__ __forceinline__ Packet load_packet(const Packet* address) {
  uint64_t both;
  asm volatile("ld.relaxed.gpu.global.b64 %0, [%1];" : "=l"(both) : "l"(address) : "memory");
  return {static_cast<uint32_t>(both), static_cast<uint32_t>(both >> 32)};
}
__device__ __forceinline__ PacketPair load_packets(const Packet* address) {
  uint64_t a, b;
  asm volatile("ld.relaxed.gpu.global.v2.b64 {%0, %1}, [%2];" : "=l"(a), "=l"(b) : "l"(address) : "memory");
  return {{static_cast<uint32_t>(a), static_cast<uint32_t>(a >> 32)},
          {static_cast<uint32_t>(b), static_cast<uint32_t>(b >> 32)}};
}

// ---- shared-memory barriers (PTX ISA, "mbarrier")
// ----------------------------------------------------------------------

#if __CUDA_ARCH__ >= 900
__device__ __forceinline__ void barrier_init(uint64_t* barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void barrier_expect(uint64_t* barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void barrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
/// Whether the phase of that parity is over; may suspend the thread for a while.
__device__ __forceinline__ bool barrier_try_wait(uint64_t* barrier, uint32_t parity) {
  uint32_t over;
  asm volatile(
      "{ .reg .pred p;\n"
      "  mbarrier.try_wait.parity.shared.b64 p, [%1], %2;\n"
      "  selp.u32 %0, 1, 0, p; }"
      : "=r"(over)
      : "r"(shared_address(barrier)), "r"(parity)
      : "memory");
  return over != 0;
}
/// Weights are read once a token: they need not stay in the L2 cache (PTX ISA, "createpolicy").
__device__ __forceinline__ uint64_t evict_first_policy() {
  uint64_t policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}
/// What the next pass may find in the L2 cache stays there as long as anything does.
__device__ __forceinline__ uint64_t evict_normal_policy() {
  uint64_t policy;
  asm volatile("createpolicy.fractional.L2::evict_normal.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}
/// What this thread has seen written by ordinary stores, bulk copies see too (PTX ISA, "Async proxy").
__device__ __forceinline__ void fence_before_bulk_copies() { asm volatile("fence.proxy.async.global;" ::: "memory"); }
/// Copies `bytes`, a multiple of 16, and counts them at `barrier` when they have landed (PTX ISA, "cp.async.bulk").
__device__ __forceinline__ void bulk_copy(void* to, const void* from, uint32_t bytes, uint64_t* barrier,
                                          uint64_t policy) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::
          "r"(shared_address(to)),
      "l"(from), "r"(bytes), "r"(shared_address(barrier)), "l"(policy)
      : "memory");
}
__device__ __forceinline__ void publish_barriers() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
#endif

#if __CUDA_ARCH__ >= 800
/// 16 bytes to shared memory, past the L1 cache (PTX ISA, "cp.async").
__device__ __forceinline__ void async_copy(void* to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from) : "memory");
}
__device__ __forceinline__ void async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
__device__ __forceinline__ void async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}
#endif

// ---- shared-memory words as barriers, where there are no others
// --------------------------------------------------------

__device__ __forceinline__ uint32_t load_shared(const uint32_t* address) {
  uint32_t value;
  asm volatile("ld.volatile.shared.u32 %0, [%1];" : "=r"(value) : "r"(shared_address(address)) : "memory");
  return value;
}
__device__ __forceinline__ void store_shared(uint32_t* address, uint32_t value) {
  asm volatile("st.volatile.shared.u32 [%0], %1;" ::"r"(shared_address(address)), "r"(value) : "memory");
}
__device__ __forceinline__ void add_shared(uint32_t* address, uint32_t value) {
  asm volatile("red.shared.add.u32 [%0], %1;" ::"r"(shared_address(address)), "r"(value) : "memory");
}

// ---- tensor cores (PTX ISA, "mma")
// ---------------------------------------------------------------------------------------

#if __CUDA_ARCH__ >= 800
/// sums += A B, A 16 x 16 with rows 8..15 zero, B 16 x 8, bfloat16: lane 4 g + q has row g of A and column g of B at
/// k = 2q, 2q+1 (a0, b0) and 2q+8, 2q+9 (a2, b1), and of the sums row g, columns 2q and 2q+1.
__device__ __forceinline__ void mma_bf16(float (&sums)[4], uint32_t a0, uint32_t a2, uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a0), "r"(0), "r"(a2), "r"(0), "r"(b0), "r"(b1));
}
/// As mma_bf16() for A 16 x 32, B 32 x 8 of int8 with int32 sums: four k a register.
__device__ __forceinline__ void mma_int8(int (&sums)[4], uint32_t a0, uint32_t a2, uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
      : "r"(a0), "r"(0), "r"(a2), "r"(0), "r"(b0), "r"(b1));
}
#endif

}  // namespace amk::device
