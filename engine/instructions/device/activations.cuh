// Activations in the scratch memory: 4-byte values, as packets or plain.
//
// As packets a value is read by asking for it until its tag is this pass's; the values need no other edge. Plain values
// are read behind the counters that the task has waited for.
#pragma once

#include "instructions/device/block.cuh"

namespace amk::device {

/// Two neighbouring values as they were loaded; of packets they may not have come yet.
struct LoadedPair {
  PacketPair packets;  ///< where activations are packets
  float2 plain;
};

/// One value as it was loaded; the tag is unused where activations are plain.
using LoadedWord = Packet;

class Activation {
 public:
  __device__ Activation(const Block& block, uint64_t operand)
      : block_(block),
        base_(Block::args().scratch + (operand & 0xffffffffU) * (kPackets ? 2 : 1)),
        number_(static_cast<uint32_t>(operand >> 32)) {}

  /// Asks for values i and i + 1; i is even.
  __device__ __forceinline__ LoadedPair fetch(uint32_t i) const {
    LoadedPair pair;
    if constexpr (kPackets) {
      pair.packets = load_packets(packets() + i);
    } else {
      pair.plain = load_l2(reinterpret_cast<const float2*>(words() + i));
    }
    return pair;
  }
  /// The values that fetch(i) asked for, once they have come. Unless `both` are, the second is no value and may be
  /// anything.
  __device__ __forceinline__ float2 arrived(LoadedPair& pair, uint32_t i, bool both = true) const {
    if constexpr (kPackets) {
      const uint32_t expected = tag();
      if (pair.packets.first.tag != expected || (both && pair.packets.second.tag != expected))
        pair.packets = await_packets(packets() + i, expected, number_, block_.task, both);
    }
    return values(pair);
  }
  static constexpr uint32_t kNowhere = ~0U;
  /// Waits until all of several pairs have come, which fetch() asked for; at[a] may be kNowhere.
  template <uint32_t kCount>
  __device__ __forceinline__ void await_all(LoadedPair (&pairs)[kCount], const uint32_t (&at)[kCount]) const {
    if constexpr (!kPackets) return;
    const uint32_t expected = tag();
    const auto here = [&](uint32_t a) {
      return pairs[a].packets.first.tag == expected && pairs[a].packets.second.tag == expected;
    };
    wait_until(FaultKind::kPacket, block_.task, number_, expected, [&](uint32_t& seen) {
      bool all = true;
#pragma unroll
      for (uint32_t a = 0; a < kCount; ++a) {
        if (at[a] == kNowhere || here(a)) continue;
        pairs[a] = fetch(at[a]);
        if (here(a)) continue;
        seen = pairs[a].packets.second.tag;
        all = false;
      }
      return all;
    });
  }
  /// The values of a pair that has come.
  __device__ __forceinline__ float2 values(const LoadedPair& pair) const {
    if constexpr (kPackets)
      return make_float2(__uint_as_float(pair.packets.first.value), __uint_as_float(pair.packets.second.value));
    return pair.plain;
  }
  __device__ __forceinline__ float2 load2(uint32_t i) const {
    LoadedPair pair = fetch(i);
    return arrived(pair, i);
  }
  /// Asks for value i alone.
  __device__ __forceinline__ LoadedWord fetch_word(uint32_t i) const {
    LoadedWord word;
    if constexpr (kPackets) {
      word = load_packet(packets() + i);
    } else {
      word.value = load_l2(words() + i);
    }
    return word;
  }
  __device__ __forceinline__ uint32_t arrived_word(LoadedWord& word, uint32_t i) const {
    if constexpr (kPackets) {
      const uint32_t expected = tag();
      if (word.tag != expected) return await_packet(packets() + i, expected, number_, block_.task);
    }
    return word.value;
  }
  __device__ __forceinline__ uint32_t load_word(uint32_t i) const {
    LoadedWord word = fetch_word(i);
    return arrived_word(word, i);
  }
  __device__ __forceinline__ float load(uint32_t i) const { return __uint_as_float(load_word(i)); }

  __device__ __forceinline__ void store_word(uint32_t i, uint32_t value) const {
    if constexpr (kPackets) {
      if constexpr (build::kFenceDropped) announce(i);
      store_packet(packets() + i, value, tag());
    } else {
      words()[i] = value;
    }
  }
  __device__ __forceinline__ void store(uint32_t i, float value) const { store_word(i, __float_as_uint(value)); }
  /// Values i and i + 1; i is even.
  __device__ __forceinline__ void store2(uint32_t i, float2 value) const {
    if constexpr (kPackets) {
      if constexpr (build::kFenceDropped) announce(i), announce(i + 1);
      store_packets(packets() + i, __float_as_uint(value.x), __float_as_uint(value.y), tag());
    } else {
      *reinterpret_cast<float2*>(words() + i) = value;
    }
  }

 private:
  __device__ __forceinline__ uint32_t tag() const { return block_.turn.epoch * Block::args().tag_stride + number_; }
  /// For tests: the tag, before its value.
  __device__ __noinline__ void announce(uint32_t i) const {
    store_packet(packets() + i, 0, tag());
    __nanosleep(20000);
  }
  __device__ __forceinline__ Packet* packets() const { return reinterpret_cast<Packet*>(base_); }
  __device__ __forceinline__ uint32_t* words() const { return reinterpret_cast<uint32_t*>(base_); }

  const Block& block_;
  unsigned char* base_;
  uint32_t number_;
};

}  // namespace amk::device
