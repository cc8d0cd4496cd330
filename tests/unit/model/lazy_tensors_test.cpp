#include "model/lazy_tensors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "base/thread_pool.h"

using namespace amk;
using model::LazyTensors;

TEST_CASE("a tensor is made once, from zeroed memory, however many threads ask for it") {
  const std::array<uint64_t, 3> sizes = {10, 5000, 1};
  const LazyTensors tensors = LazyTensors::create(sizes).value();
  std::atomic<int> made = 0;
  ThreadPool pool(4);
  pool.run_on_all([&](size_t) {
    const auto bytes = tensors.get(1, [&](std::byte* out) {
      ++made;
      CHECK(std::all_of(out, out + 5000, [](std::byte byte) { return byte == std::byte{0}; }));
      std::memset(out, 7, 5000);
    });
    CHECK(bytes.size() == 5000);
    CHECK(bytes[4999] == std::byte{7});
  });
  CHECK(made == 1);
  CHECK(tensors.get(0, [](std::byte* out) { out[9] = std::byte{1}; })[9] == std::byte{1});
}

TEST_CASE("giving one tensor back leaves its neighbours alone; no tensors at all are fine") {
  const std::array<uint64_t, 3> sizes = {4096, 4097, 4096};
  const LazyTensors tensors = LazyTensors::create(sizes).value();
  for (const size_t i : {0U, 1U, 2U}) {
    CHECK(tensors.get(i, [&](std::byte* out) { std::memset(out, 3, sizes[i]); }).size() == sizes[i]);
  }
  tensors.release(1);
  for (const size_t i : {0U, 2U}) {
    const auto bytes = tensors.get(i, [](std::byte*) { CHECK(false); });
    CHECK(std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{3}; }));
  }
  CHECK(LazyTensors::create({}).ok());
}
