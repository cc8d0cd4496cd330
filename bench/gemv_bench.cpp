// Weight bytes that the CPU's dot kernels stream a second, for each stored type, on one core and on all of them.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"
#include "instructions/cpu_math.h"

namespace {

using namespace amk;
using Clock = std::chrono::steady_clock;

constexpr size_t kRounds = 9;

/// Median seconds of `kRounds` calls.
template <typename Body>
double median_seconds(const Body& body) {
  std::vector<double> seconds;
  for (size_t round = 0; round < kRounds; ++round) {
    const auto start = Clock::now();
    body();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRounds / 2, seconds.end());
  return seconds[kRounds / 2];
}

void measure(ThreadPool& pool, abi::Dtype dtype, size_t rows, size_t columns, size_t k_chunk) {
  Random random(1);
  const size_t bytes = rows * abi::row_bytes(dtype, columns);
  std::vector<std::byte> weights(bytes);
  // Every 16-bit half lies in [0.5, 1) as bfloat16 and is a small normal number as binary16; scales too.
  for (size_t i = 0; i + 1 < bytes; i += 2) {
    weights[i] = static_cast<std::byte>(random.next());
    weights[i + 1] = std::byte{0x3f};
  }
  std::vector<float> x(columns), y(rows);
  for (float& value : x) value = static_cast<float>(random.uniform());
  const instructions::MatrixView matrix = {dtype, weights.data(), columns};
  const auto rows_of = [&](size_t begin, size_t end) {
    instructions::dot_rows(matrix, begin, end - begin, k_chunk, x.data(), y.data() + begin);
  };
  const double one = median_seconds([&] { rows_of(0, rows); });
  const double all = median_seconds([&] { pool.parallel_for(rows, rows_of); });
  const auto gbps = [&](double seconds) { return static_cast<double>(bytes) / seconds * 1e-9; };
  fmt::print(
      "{:<6} {:>6} x {:<5} k_chunk {:<5} {:>7.1f} MB: {:>6.1f} GB/s on one core, {:>6.1f} GB/s on {}; {:>5.2f} "
      "Gelements/s on one\n",
      abi::dtype_name(dtype), rows, columns, k_chunk, static_cast<double>(bytes) * 1e-6, gbps(one), gbps(all),
      pool.size(), static_cast<double>(rows * columns) / one * 1e-9);
}

}  // namespace

int main() {
  ThreadPool pool;
  for (const abi::Dtype dtype : {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16, abi::Dtype::kI8G128,
                                 abi::Dtype::kI8Row, abi::Dtype::kI4G64, abi::Dtype::kI4Row}) {
    measure(pool, dtype, 256, 576, 640);      // within the caches: what the arithmetic allows
    measure(pool, dtype, 65536, 2048, 2048);  // far beyond them: what the memory allows
    measure(pool, dtype, 65536, 2048, 256);
    measure(pool, dtype, 131072, 576, 640);
  }
  return 0;
}
