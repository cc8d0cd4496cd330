#include "vm/cuda/baselines/bandwidth.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "vm/cuda/baselines/sources.h"

namespace amk::vm::cuda {
namespace {

constexpr uint64_t kBytesWanted = uint64_t{2} << 30;
constexpr uint64_t kBytesLeast = uint64_t{1} << 30;
constexpr uint32_t kWarmUps = 2;

}  // namespace

struct BandwidthProbe::Impl {
  explicit Impl(Device& used) : device(used) {}
  Device& device;
  Module module;
  Kernel fill;
  Kernel read;
  DeviceBuffer data;
  DeviceBuffer sink;

  Status enqueue(uint64_t bytes, uint32_t blocks, uint32_t threads) {
    uint64_t from = data.address();
    uint64_t count = std::min(bytes, data.size()) / 16;
    uint64_t to = sink.address();
    const std::array<void*, 3> arguments = {&from, &count, &to};
    return device.launch(read, {blocks, 1, 1, threads, 0}, arguments);
  }

  Result<double> median_us(uint32_t blocks, uint32_t threads, uint32_t rounds) {
    AMK_ASSIGN_OR_RETURN(const Event begin, device.create_event());
    AMK_ASSIGN_OR_RETURN(const Event end, device.create_event());
    std::vector<double> times;
    for (uint32_t i = 0; i < kWarmUps + rounds; ++i) {
      AMK_TRY(device.record(begin));
      AMK_TRY(enqueue(data.size(), blocks, threads));
      AMK_TRY(device.record(end));
      AMK_ASSIGN_OR_RETURN(const double us, device.elapsed_us(begin, end));
      if (i >= kWarmUps) times.push_back(us);
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }
};

BandwidthProbe::BandwidthProbe(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BandwidthProbe::BandwidthProbe(BandwidthProbe&&) noexcept = default;
BandwidthProbe& BandwidthProbe::operator=(BandwidthProbe&&) noexcept = default;
BandwidthProbe::~BandwidthProbe() = default;

Result<BandwidthProbe> BandwidthProbe::create(Device& device) {
  auto impl = std::make_unique<Impl>(device);
  AMK_ASSIGN_OR_RETURN(const CompiledKernel compiled,
                       compile_cached(baseline_request("vm/cuda/baselines/bandwidth.cu", device.info().sm, {})));
  AMK_ASSIGN_OR_RETURN(impl->module, device.load(compiled.cubin));
  AMK_ASSIGN_OR_RETURN(impl->fill, impl->module.kernel("amk_fill"));
  AMK_ASSIGN_OR_RETURN(impl->read, impl->module.kernel("amk_read"));
  Result<DeviceBuffer> data = device.allocate(kBytesWanted);
  if (!data.ok()) data = device.allocate(kBytesLeast);
  if (!data.ok()) return data.error();
  impl->data = std::move(data).value();
  AMK_ASSIGN_OR_RETURN(impl->sink, device.allocate(16));
  uint64_t to = impl->data.address();
  uint64_t count = impl->data.size() / 16;
  const std::array<void*, 2> arguments = {&to, &count};
  AMK_TRY(device.launch(impl->fill, {device.info().sms * 8, 1, 1, 256, 0}, arguments));
  AMK_TRY(device.synchronize());
  return BandwidthProbe(std::move(impl));
}

Result<Bandwidth> BandwidthProbe::measure(uint32_t rounds) {
  const uint32_t sms = impl_->device.info().sms;
  Bandwidth best;
  best.bytes = impl_->data.size();
  for (const uint32_t threads : {256U, 512U, 1024U}) {
    for (const uint32_t blocks_per_sm : {1U, 2U, 4U, 8U, 32U}) {
      if (threads * blocks_per_sm > 8192) continue;
      AMK_ASSIGN_OR_RETURN(const double us, impl_->median_us(sms * blocks_per_sm, threads, std::max(rounds, 1U)));
      const double speed = static_cast<double>(best.bytes) / us * 1e6;
      if (speed <= best.bytes_per_second) continue;
      best.bytes_per_second = speed;
      best.blocks = sms * blocks_per_sm;
      best.threads = threads;
    }
  }
  return best;
}

Status BandwidthProbe::enqueue(uint64_t bytes) { return impl_->enqueue(bytes, impl_->device.info().sms * 2, 1024); }

}  // namespace amk::vm::cuda
