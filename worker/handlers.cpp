#include "worker/handlers.h"

#include <unistd.h>

#include "vm/cuda/driver.h"
#include "worker/cuda_bench.h"
#include "worker/cuda_machine.h"
#include "worker/cuda_trace.h"
#include "worker/session.h"

namespace amk::worker {
namespace {

using ipc::Json;
using ipc::Progress;

/// No parameters are needed. {"protocol", "program", "version", "pid"}.
Result<Json> hello(const Json&, Progress&) {
  return Json{{"protocol", ipc::kProtocol}, {"program", "amk-worker"}, {"version", AMK_VERSION}, {"pid", ::getpid()}};
}

/// {} -> [{"ordinal", "name", "sm", "sms", "memory_bytes", "smem_block_bytes", "l2_bytes", "driver_version"}]
Result<Json> devices(const Json&, Progress&) {
  AMK_ASSIGN_OR_RETURN(const std::vector<vm::cuda::DeviceInfo> found, vm::cuda::list_devices());
  Json out = Json::array();
  for (const vm::cuda::DeviceInfo& device : found) {
    out.push_back({{"ordinal", device.ordinal},
                   {"name", device.name},
                   {"sm", device.sm},
                   {"sms", device.sms},
                   {"memory_bytes", device.memory_bytes},
                   {"smem_block_bytes", device.smem_block_bytes},
                   {"l2_bytes", device.l2_bytes},
                   {"driver_version", device.driver_version}});
  }
  return out;
}

}  // namespace

ipc::Handlers greeting() { return {{"hello", hello}}; }

ipc::Handlers handlers(bool with_test_hooks) {
  ipc::Handlers out =
      program_handlers({load_cuda_machine, measure_bench, measure_trace, measure_bandwidth}, with_test_hooks);
  out.merge(greeting());
  out.emplace("devices", devices);
  if (with_test_hooks) out.merge(test_hooks());
  return out;
}

}  // namespace amk::worker
