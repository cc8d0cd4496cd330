// The baselines on a GPU. In a file that comes before device_test.cpp, whose last test gives the GPU up.
#include "vm/cuda/baselines/decode_step.h"

#include <doctest/doctest.h>

#include <cstring>
#include <optional>
#include <vector>

#include "base/float_formats.h"
#include "base/random.h"
#include "eval/agreement.h"
#include "eval/logits.h"
#include "eval/oracle.h"
#include "support/skipped.h"
#include "vm/cuda/baselines/bandwidth.h"
#include "vm/cuda/baselines/cublas.h"

using namespace amk;
using namespace amk::vm::cuda;

namespace {

std::optional<Device> open_device(const char* test_case) {
  const Result<std::string> cublas = cublas_version();
  Result<Device> device = Device::open();
  if (device.ok() && cublas.ok()) return std::move(device).value();
  test::skip(test_case, device.ok() ? cublas.error().text() : device.error().text());
  return std::nullopt;
}

/// Runs a few tokens through the rival and the oracle.
void check_rival(Device& device, const std::string& model, uint32_t positions) {
  CAPTURE(model);
  ThreadPool pool;
  const Result<model::Checkpoint> checkpoint = model::Checkpoint::open(model);
  REQUIRE(checkpoint.ok());
  Result<DecodeStep> rival = DecodeStep::create(device, *checkpoint, 256, pool);
  REQUIRE_MESSAGE(rival.ok(), (rival.ok() ? "" : rival.error().text()));
  Result<eval::Oracle> oracle = eval::Oracle::create(*checkpoint, 256, pool);
  REQUIRE(oracle.ok());
  Random random(5);
  eval::LogitRows expected;
  eval::LogitRows found;
  for (uint32_t position = 0; position < positions; ++position) {
    const auto token = static_cast<uint32_t>(random.below(checkpoint->config().vocab_size));
    expected.push_back(oracle->forward(std::span(&token, 1)).value());
    REQUIRE(rival->set_input(token, position).ok());
    REQUIRE(rival->enqueue_step().ok());
    found.push_back(rival->logits().value());
    CHECK(rival->next_token().value() == eval::best_token(found.back()));
  }
  const double tolerance =
      eval::rival_tolerance(checkpoint->config(), rival->dtype(), eval::largest_magnitude(expected));
  const eval::Agreement agreement = eval::compare_logits(expected, found, tolerance);
  MESSAGE(model << ": " << agreement.text() << "; " << rival->choices());
  CHECK(agreement.agrees());
  REQUIRE(rival->enqueue_projections().ok());
  CHECK(device.synchronize().ok());
  CHECK(rival->set_input(0, 256).error().code == ErrorCode::kUsage);
}

}  // namespace

TEST_CASE("cuBLAS multiplies as it is asked, either way, in every dtype") {
  auto device = open_device("cuBLAS multiplies as it is asked");
  if (!device) return;
  constexpr uint32_t kRows = 48;
  constexpr uint32_t kColumns = 128;
  Result<Cublas> cublas = Cublas::create(*device);
  REQUIRE_MESSAGE(cublas.ok(), (cublas.ok() ? "" : cublas.error().text()));
  for (const abi::Dtype dtype : {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16}) {
    const uint32_t bytes = abi::dtype_bytes(dtype);
    // Small whole numbers: every product and sum is exact.
    std::vector<std::byte> stored((kRows + 1) * kColumns * bytes);
    std::vector<float> values((kRows + 1) * kColumns);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(static_cast<int>(mix64(i) % 3) - 1);
      const uint16_t half = dtype == abi::Dtype::kF16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
      std::memcpy(stored.data() + i * bytes, bytes == 4 ? static_cast<const void*>(&values[i]) : &half, bytes);
    }
    const DeviceBuffer in = device->allocate(stored.size()).value();
    const DeviceBuffer out = device->allocate(kRows * bytes).value();
    REQUIRE(device->upload(in.address(), stored).ok());
    for (const bool as_row : {false, true}) {
      CAPTURE(abi::dtype_name(dtype));
      CAPTURE(as_row);
      REQUIRE(device->zero(out).ok());
      const uint64_t x = in.address() + kRows * kColumns * bytes;
      const Status status = cublas->multiply({dtype, in.address(), x, out.address(), kRows, kColumns, as_row});
      REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error().text()));
      std::vector<std::byte> found(kRows * bytes);
      REQUIRE(device->download(found, out.address()).ok());
      for (uint32_t r = 0; r < kRows; ++r) {
        float sum = 0;
        for (uint32_t c = 0; c < kColumns; ++c) sum += values[r * kColumns + c] * values[kRows * kColumns + c];
        float got = 0;
        uint16_t bits = 0;
        std::memcpy(bytes == 4 ? static_cast<void*>(&got) : &bits, found.data() + r * bytes, bytes);
        if (bytes == 2) got = dtype == abi::Dtype::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
        CHECK(got == sum);
      }
    }
  }
}

TEST_CASE("the rival's logits are the oracle's, within the rounding of its activations") {
  auto device = open_device("the rival's logits are the oracle's");
  if (!device) return;
  check_rival(*device, "toy", 100);
  check_rival(*device, "toy-2l", 20);
  check_rival(*device, "tests/models/llama-f16", 12);
  check_rival(*device, "synthetic:smollm2-135m", 6);
}

TEST_CASE("memory is read at a plausible speed, and as fast again") {
  auto device = open_device("memory is read at a plausible speed");
  if (!device) return;
  Result<BandwidthProbe> probe = BandwidthProbe::create(*device);
  REQUIRE_MESSAGE(probe.ok(), (probe.ok() ? "" : probe.error().text()));
  const Bandwidth first = probe->measure().value();
  const Bandwidth again = probe->measure().value();
  const double gbps = first.bytes_per_second / 1e9;
  MESSAGE(gbps << " GB/s with " << first.blocks << " blocks of " << first.threads);
  CHECK(first.bytes >= (1ULL << 30));
  CHECK(first.bytes_per_second > 1e11);
  CHECK(first.bytes_per_second < 2e13);
  CHECK(again.bytes_per_second == doctest::Approx(first.bytes_per_second).epsilon(0.03));
}
