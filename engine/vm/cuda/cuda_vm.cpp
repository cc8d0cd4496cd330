#include "vm/cuda/cuda_vm.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"
#include "base/checked.h"
#include "base/float_formats.h"
#include "model/model_config.h"
#include "vm/cuda/device_program.h"
#include "vm/cuda/kernel_build.h"

namespace amk::vm::cuda {
namespace {

using abi::BufferKind;
using schedule::Buffer;
using schedule::Program;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kPieceBytes = uint64_t{64} << 20;  // of packed weights, packed and uploaded at a time

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

/// Bytes of a cache [heads, context, head_dim] as it lies on the device.
uint64_t cache_bytes(const abi::Shape& shape) {
  return shape.extent[0] * device::cache_room(static_cast<uint32_t>(shape.extent[1])) * shape.extent[2] *
         abi::dtype_bytes(shape.dtype);
}

/// Float32 values of a vector of any float dtype.
std::vector<float> widened(const model::TensorView& tensor) {
  std::vector<float> out;
  const size_t count = tensor.data.size() / abi::dtype_bytes(tensor.dtype);
  for (size_t i = 0; i < count; ++i) {
    const std::byte* at = tensor.data.data() + i * abi::dtype_bytes(tensor.dtype);
    if (tensor.dtype == abi::Dtype::kF32) {
      float value = 0;
      std::memcpy(&value, at, 4);
      out.push_back(value);
    } else {
      uint16_t bits = 0;
      std::memcpy(&bits, at, 2);
      out.push_back(tensor.dtype == abi::Dtype::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits));
    }
  }
  return out;
}

const char* kind_text(device::FaultKind kind) {
  switch (kind) {
    case device::FaultKind::kNone:
      return "nothing";
    case device::FaultKind::kCounter:
      return "counter";
    case device::FaultKind::kPacket:
      return "packets with tag number";
    case device::FaultKind::kStage:
      return "the copy into stage";
    case device::FaultKind::kRoom:
      return "room in stage";
    case device::FaultKind::kRecord:
      return "the task's record in slot";
    case device::FaultKind::kPassBarrier:
      return "the end of the pass before, barrier";
  }
  return "something";
}

}  // namespace

std::string Fault::text() const {
  return fmt::format("task {} '{}' on SM {} waited {} ms for {} {}: value {}, threshold {}", report.task, label,
                     report.sm, report.waited_us / 1000, kind_text(report.kind), report.counter, report.value,
                     report.threshold);
}

struct CudaVm::Impl {
  Impl(validator::ValidatedProgram validated_program, Device& used, const CudaVmOptions& given)
      : validated(std::move(validated_program)), device(used), options(given) {}

  validator::ValidatedProgram validated;
  Device& device;
  CudaVmOptions options;
  KernelSpec spec;
  Module module;
  Kernel kernel;
  KernelResources resources;
  LaunchShape shape;
  std::vector<DeviceBuffer> memory;  ///< everything that is allocated
  DeviceAddresses addresses;
  DeviceProgram translated;
  device::LaunchArguments arguments;
  DeviceBuffer scratch, counters, pass_counter, fault_claim, trace, tokens;
  PinnedBuffer report;
  PinnedBuffer chosen;  ///< u32[tokens_per_launch]
  std::vector<uint32_t> traced;
  std::optional<Fault> fault;
  BufferId logits, next_token;
  uint64_t vocab = UINT32_MAX;
  uint32_t position = 0;
  uint32_t last_passes = 1;
  double build_seconds = 0, upload_seconds = 0;
  uint64_t device_bytes = 0;

  [[nodiscard]] const Program& program() const { return validated.program(); }

  Result<uint64_t> allocate(uint64_t size) {
    AMK_ASSIGN_OR_RETURN(DeviceBuffer buffer, device.allocate(std::max<uint64_t>(size, 16)));
    device_bytes += buffer.size();
    AMK_TRY(device.zero(buffer));
    const uint64_t address = buffer.address();
    memory.push_back(std::move(buffer));
    return address;
  }

  Status check_device() {
    const DeviceInfo& info = device.info();
    const uint32_t queues = static_cast<uint32_t>(program().placement.queues.size());
    if (info.sms < queues || info.smem_block_bytes < program().launch.smem_bytes) {
      return Error{
          ErrorCode::kUnsupported,
          fmt::format("expected a GPU of at least {} SMs and {} bytes of shared memory a block, as the program "
                      "was compiled for ({}), found {} with {} and {}",
                      queues, program().launch.smem_bytes, program().target, info.name, info.sms,
                      info.smem_block_bytes),
          "", "compile for this GPU: --gpu auto"};
    }
    return {};
  }

  Status build() {
    const Clock::time_point start = Clock::now();
    AMK_ASSIGN_OR_RETURN(spec, kernel_spec(program()));
    if (options.whole) {
      AMK_ASSIGN_OR_RETURN(spec, spec_of_whole(spec, *options.whole));
    }
    spec.trace = options.trace;
    spec.extra_defines = options.sabotage.defines;
    AMK_ASSIGN_OR_RETURN(const CompiledKernel compiled, compile_cached(compile_request(spec, device.info().sm)));
    AMK_ASSIGN_OR_RETURN(module, device.load(compiled.cubin));
    AMK_ASSIGN_OR_RETURN(kernel, module.kernel(kKernelName));
    shape.blocks_x = static_cast<uint32_t>(program().placement.queues.size());
    shape.threads = program().launch.threads_per_block;
    shape.smem_bytes = program().launch.smem_bytes;
    AMK_TRY(device.allow_smem(kernel, shape.smem_bytes));
    AMK_ASSIGN_OR_RETURN(resources, device.resources(kernel, shape.threads, shape.smem_bytes));
    if (resources.blocks_per_sm == 0) {
      return Error{
          ErrorCode::kUnsupported,
          fmt::format("expected a block of {} threads and {} bytes to be resident on an SM of {}, found that none "
                      "is ({} registers a thread)",
                      shape.threads, shape.smem_bytes, device.info().name, resources.registers),
          "", "lower threads_per_block"};
    }
    build_seconds = seconds_since(start);
    return {};
  }

  /// The tensor, with what a test wants wrong about it.
  model::TensorView tensor(const model::Checkpoint& checkpoint, const std::string& name,
                           std::vector<std::vector<std::byte>>& copies) const {
    model::TensorView view = checkpoint.tensor(name);
    const bool wrong = options.sabotage.wrong_weight == name, nan = options.sabotage.nan_weight == name;
    if (!wrong && !nan) return view;
    std::vector<std::byte>& copy = copies.emplace_back(view.data.begin(), view.data.end());
    // The upper byte of an element in the middle: all ones is NaN in the 16-bit formats and, with its neighbour, in
    // f32.
    const size_t at = copy.size() / 2 / 4 * 4;
    if (nan) {
      for (size_t i = 0; i < 4; ++i) copy[at + i] = std::byte{0xff};
    } else {
      copy[at + 1] ^= std::byte{0x40};
      copy[at + 3] ^= std::byte{0x40};
    }
    view.data = copy;
    return view;
  }

  Status upload_matrix(const MatrixKey& key, const model::Checkpoint& checkpoint, ThreadPool& pool,
                       const std::array<PinnedBuffer, 2>& staging) {
    std::vector<std::vector<std::byte>> copies;
    copies.reserve(key.buffers.size());
    PackSource source{key.arrangement, {}, key.head_dim};
    for (const BufferId id : key.buffers) {
      const Buffer& buffer = program().buffer(id);
      source.matrices.push_back(tensor(checkpoint, buffer.source, copies));
      const model::TensorView& view = source.matrices.back();
      if (view.dtype == buffer.shape.dtype && view.shape.size() == 2 && view.shape[0] == buffer.shape.extent[0] &&
          view.shape[1] == buffer.shape.extent[1])
        continue;
      return Error{ErrorCode::kBadInput, fmt::format("expected '{}' as the program was compiled for it", buffer.source),
                   checkpoint.name(), "use the checkpoint that the program was compiled for"};
    }
    AMK_ASSIGN_OR_RETURN(const PackedShape packed, packed_shape(source));
    AMK_ASSIGN_OR_RETURN(DeviceBuffer buffer, device.allocate(packed.bytes()));
    device_bytes += buffer.size();
    const uint64_t address = buffer.address();
    memory.push_back(std::move(buffer));
    addresses.matrices[key] = {address, packed};
    const uint64_t at_once = std::max<uint64_t>(1, kPieceBytes / packed.tile_bytes);
    for (uint64_t begin = 0, turn = 0; begin < packed.tiles; begin += at_once, ++turn) {
      const uint64_t end = std::min(packed.tiles, begin + at_once);
      const PinnedBuffer& stage = staging[turn % 2];
      pool.parallel_for(end - begin, [&](size_t from, size_t to) {
        pack_tiles(source, packed, begin + from, begin + to,
                   {stage.data() + from * packed.tile_bytes, (to - from) * packed.tile_bytes});
      });
      // The copy before has had the time of this packing; now it must be over before its stage is used again.
      AMK_TRY(device.synchronize());
      AMK_TRY(
          device.upload_async(address + begin * packed.tile_bytes, {stage.data(), (end - begin) * packed.tile_bytes}));
    }
    return device.synchronize();
  }

  Status upload_weights(const model::Checkpoint& checkpoint, ThreadPool& pool) {
    const Clock::time_point start = Clock::now();
    uint64_t stage_bytes = kPieceBytes;
    std::vector<MatrixKey> keys;
    for (const schedule::Task& task : program().tasks) {
      const MatrixKey key = matrices_of(task);
      if (key.buffers.empty()) continue;
      const abi::Shape& matrix = program().buffer(key.buffers[0]).shape;
      stage_bytes =
          std::max<uint64_t>(stage_bytes, abi::packed_bytes(matrix.dtype, device::kTileRows, matrix.extent[1]));
      keys.push_back(key);
    }
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    std::array<PinnedBuffer, 2> staging;
    for (PinnedBuffer& stage : staging) {
      AMK_ASSIGN_OR_RETURN(stage, device.allocate_pinned(stage_bytes));
    }
    for (const MatrixKey& key : keys) AMK_TRY(upload_matrix(key, checkpoint, pool, staging));
    upload_seconds = seconds_since(start);
    return {};
  }

  Status place_buffers(const model::Checkpoint& checkpoint) {
    addresses.buffers.assign(program().buffers.size(), 0);
    std::vector<std::vector<std::byte>> copies;
    copies.reserve(program().buffers.size());
    for (size_t i = 0; i < program().buffers.size(); ++i) {
      const Buffer& buffer = program().buffers[i];
      std::vector<float> values;
      if (buffer.kind == BufferKind::kWeight && buffer.shape.rank == 1) {
        values = widened(tensor(checkpoint, buffer.source, copies));
      } else if (buffer.kind == BufferKind::kConst) {
        values = model::rope_inverse_frequencies(checkpoint.config().rope, checkpoint.config().head_dim);
      } else if (buffer.kind == BufferKind::kKvCache) {
        AMK_ASSIGN_OR_RETURN(addresses.buffers[i], allocate(cache_bytes(buffer.shape)));
      } else if (buffer.kind == BufferKind::kOutput) {
        AMK_ASSIGN_OR_RETURN(addresses.buffers[i], allocate(abi::size_bytes(buffer.shape)));
      }
      if (!values.empty()) {
        if (values.size() != abi::element_count(buffer.shape)) {
          return Error{ErrorCode::kBadInput,
                       fmt::format("expected {} values of '{}', found {}", abi::element_count(buffer.shape),
                                   buffer.source, values.size()),
                       checkpoint.name(), "use the checkpoint that the program was compiled for"};
        }
        AMK_ASSIGN_OR_RETURN(addresses.buffers[i], allocate(values.size() * 4));
        AMK_TRY(device.upload(addresses.buffers[i], bytes_of(values)));
      }
      if (buffer.kind == BufferKind::kOutput && buffer.name == "logits") logits = BufferId(static_cast<uint32_t>(i));
      if (buffer.kind == BufferKind::kOutput && buffer.name == "next_token")
        next_token = BufferId(static_cast<uint32_t>(i));
    }
    for (const schedule::Task& task : program().tasks) {
      if (task.opcode == abi::Opcode::kEmbed)
        vocab = std::min(vocab, program().buffer(task.operands[1]).shape.extent[0]);
    }
    if ((logits.valid() && next_token.valid()) || options.whole) return {};
    return Error{ErrorCode::kBadInput, "expected the outputs 'logits' and 'next_token'", "", ""};
  }

  template <typename T>
  Result<uint64_t> upload(const std::vector<T>& values) {
    AMK_ASSIGN_OR_RETURN(const uint64_t address, allocate(values.size() * sizeof(T)));
    AMK_TRY(device.upload(address, bytes_of(values)));
    return address;
  }

  Status prepare_launch() {
    AMK_ASSIGN_OR_RETURN(translated, translate(validated, addresses));
    sabotage_records();
    for (const device::TaskRecord& record : translated.records) traced.push_back(record.task);
    const bool packets = program().launch.sync_protocol == abi::SyncProtocol::kPackets;
    AMK_ASSIGN_OR_RETURN(const uint64_t records, upload(translated.records));
    AMK_ASSIGN_OR_RETURN(const uint64_t queues, upload(translated.queue_begin));
    AMK_ASSIGN_OR_RETURN(const uint64_t waits, upload(translated.waits));
    AMK_ASSIGN_OR_RETURN(scratch,
                         device.allocate(std::max<uint64_t>(16, translated.scratch_bytes * (packets ? 2 : 1))));
    AMK_ASSIGN_OR_RETURN(counters, device.allocate((program().counters.size() + 1) * device::kCounterStride * 4));
    AMK_ASSIGN_OR_RETURN(pass_counter, device.allocate(16));
    AMK_ASSIGN_OR_RETURN(fault_claim, device.allocate(16));
    AMK_ASSIGN_OR_RETURN(tokens, device.allocate(uint64_t{program().launch.tokens_per_launch} * 4));
    AMK_ASSIGN_OR_RETURN(report, device.allocate_pinned(sizeof(device::FaultReport)));
    AMK_ASSIGN_OR_RETURN(chosen, device.allocate_pinned(uint64_t{program().launch.tokens_per_launch} * 4));
    std::memset(report.data(), 0, report.size());
    device_bytes += scratch.size() + counters.size();
    if (options.trace) {
      const uint64_t size =
          translated.records.size() * program().launch.tokens_per_launch * sizeof(device::TraceRecord);
      AMK_ASSIGN_OR_RETURN(trace, device.allocate(size));
      AMK_TRY(device.zero(trace));
    }
    const auto pointer = [](uint64_t address) { return reinterpret_cast<void*>(address); };
    arguments.records = static_cast<const device::TaskRecord*>(pointer(records));
    arguments.queue_begin = static_cast<const uint32_t*>(pointer(queues));
    arguments.waits = static_cast<const device::WaitRecord*>(pointer(waits));
    arguments.scratch = static_cast<unsigned char*>(pointer(scratch.address()));
    arguments.counters = static_cast<uint32_t*>(pointer(counters.address()));
    arguments.pass_counter = static_cast<uint32_t*>(pointer(pass_counter.address()));
    arguments.fault_claim = static_cast<uint32_t*>(pointer(fault_claim.address()));
    arguments.fault = static_cast<device::FaultReport*>(pointer(report.device_address()));
    arguments.trace = static_cast<device::TraceRecord*>(pointer(trace.address()));
    // Without a token of its own each pass is fed by the host; a launch has one pass.
    arguments.next_token = static_cast<const uint32_t*>(
        pointer(next_token.valid() ? addresses.buffers[next_token.index()] : tokens.address()));
    arguments.tokens = static_cast<uint32_t*>(pointer(tokens.address()));
    arguments.deadline_ns = static_cast<uint64_t>(std::chrono::nanoseconds(options.deadline).count());
    arguments.task_count = static_cast<uint32_t>(translated.records.size());
    arguments.tag_stride = translated.tag_stride;
    return start_epochs();
  }

  void sabotage_records() {
    if (!options.sabotage.silent_task) return;
    for (device::TaskRecord& record : translated.records) {
      if (record.task != options.sabotage.silent_task->index()) continue;
      record.signal = device::kNoSignal;
      const schedule::Task& task = program().task(TaskId(record.task));
      for (uint32_t i = 0; i < task.operands.size(); ++i) {
        if (abi::operand(task.opcode, i).access == abi::Access::kWrite &&
            program().buffer(task.operands[i]).kind == BufferKind::kActivation)
          record.operand[i] ^= uint64_t{0x7fff} << 32;
      }
    }
  }

  /// Counters and tags count passes from here on; nothing is left of earlier ones.
  Status start_epochs() {
    AMK_TRY(device.zero(scratch));
    AMK_TRY(device.zero(counters));
    AMK_TRY(device.zero(pass_counter));
    AMK_TRY(device.zero(fault_claim));
    arguments.epoch = 0;
    return device.synchronize();
  }

  Status enqueue(uint32_t token, uint32_t at, uint32_t passes) {
    // Tags and targets are 32-bit products of the pass's number: start again before they would wrap.
    const uint64_t factor = std::max<uint64_t>({translated.tag_stride, shape.blocks_x, program().tasks.size()});
    if ((uint64_t{arguments.epoch} + passes + 1) * factor > UINT32_MAX / 2) {
      AMK_TRY(synchronize());
      AMK_TRY(start_epochs());
    }
    arguments.token = token;
    arguments.position = at;
    arguments.passes = passes;
    void* parameters[] = {&arguments};
    AMK_TRY(device.launch_cooperative(kernel, shape, parameters));
    arguments.epoch += passes;
    last_passes = passes;
    return {};
  }

  Status synchronize() {
    const Status status = device.synchronize();
    if (status.ok()) return status;
    device::FaultReport found;
    std::memcpy(&found, report.data(), sizeof(found));
    if (found.kind == device::FaultKind::kNone) return status;
    fault = Fault{found, program().task(TaskId(found.task)).label};
    return Error{
        ErrorCode::kInternal, "the launch passed its deadline: " + fault->text(), device.info().name,
        "the program is proven free of deadlock, so this is a fault of the kernel or the device: please report it"};
  }

  Status check_step(uint32_t token, uint32_t passes) const {
    if (token >= vocab) {
      return Error{ErrorCode::kUsage, fmt::format("expected a token below {}, the vocabulary, found {}", vocab, token),
                   "", ""};
    }
    if (position + passes > program().meta.context) {
      return Error{ErrorCode::kUsage,
                   fmt::format("expected at most {} positions, the program's context, found {}", program().meta.context,
                               position + passes),
                   "", "compile with a larger --context"};
    }
    if (passes == 0 || passes > program().launch.tokens_per_launch) {
      return Error{ErrorCode::kUsage,
                   fmt::format("expected 1 to {} tokens a launch, as the program says, found {}",
                               program().launch.tokens_per_launch, passes),
                   "", "raise the knob tokens_per_launch"};
    }
    return {};
  }

  Status run(uint32_t token, uint32_t passes) {
    AMK_TRY(check_step(token, passes));
    AMK_TRY(enqueue(token, position, passes));
    AMK_TRY(device.download_async({chosen.data(), passes * sizeof(uint32_t)}, tokens.address()));
    AMK_TRY(synchronize());
    position += passes;
    return {};
  }

  Result<std::vector<float>> values(BufferId id) {
    const Buffer& buffer = program().buffer(id);
    if (buffer.kind == BufferKind::kKvCache) return cache_row(buffer, addresses.buffers[id.index()]);
    std::vector<float> out(abi::element_count(buffer.shape));
    if (buffer.kind == BufferKind::kOutput) {
      AMK_TRY(device.download(std::as_writable_bytes(std::span(out)), addresses.buffers[id.index()]));
      return out;
    }
    const auto page = std::find_if(program().pages.begin(), program().pages.end(),
                                   [&](const schedule::Page& of) { return of.buffer == id; });
    AMK_ASSERT(page != program().pages.end(), buffer.name);
    if (program().launch.sync_protocol != abi::SyncProtocol::kPackets) {
      AMK_TRY(device.download(std::as_writable_bytes(std::span(out)), scratch.address() + page->offset));
      return out;
    }
    // A packet is a value and its tag.
    std::vector<float> packets(2 * out.size());
    AMK_TRY(device.download(std::as_writable_bytes(std::span(packets)), scratch.address() + 2 * page->offset));
    for (size_t i = 0; i < out.size(); ++i) out[i] = packets[2 * i];
    return out;
  }

  /// The last pass's position of a cache.
  Result<std::vector<float>> cache_row(const Buffer& buffer, uint64_t address) {
    const uint64_t heads = buffer.shape.extent[0], head_dim = buffer.shape.extent[2];
    const uint64_t room = device::cache_room(static_cast<uint32_t>(buffer.shape.extent[1]));
    const uint64_t row = head_dim * abi::dtype_bytes(buffer.shape.dtype);
    std::vector<float> out;
    std::vector<std::byte> stored(row);
    for (uint64_t head = 0; head < heads; ++head) {
      AMK_TRY(device.download(stored, address + (head * room + position - 1) * row));
      const std::vector<float> of_head = widened({buffer.shape.dtype, {head_dim}, stored});
      out.insert(out.end(), of_head.begin(), of_head.end());
    }
    return out;
  }

  [[nodiscard]] uint32_t chosen_token(uint32_t pass) const {
    uint32_t token = 0;
    std::memcpy(&token, chosen.data() + pass * sizeof(token), sizeof(token));
    return token;
  }
};

CudaVm::CudaVm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CudaVm::CudaVm(CudaVm&&) noexcept = default;
CudaVm& CudaVm::operator=(CudaVm&&) noexcept = default;
CudaVm::~CudaVm() = default;

Result<CudaVm> CudaVm::create(const validator::ValidatedProgram& program, const model::Checkpoint& checkpoint,
                              Device& device, ThreadPool& pool, const CudaVmOptions& options) {
  auto impl = std::make_unique<Impl>(program, device, options);
  AMK_TRY(impl->check_device());
  AMK_TRY(impl->build());
  AMK_TRY(impl->place_buffers(checkpoint));
  AMK_TRY(impl->upload_weights(checkpoint, pool));
  AMK_TRY(impl->prepare_launch());
  return CudaVm(std::move(impl));
}

Status CudaVm::step(uint32_t token) { return impl_->run(token, 1); }

Result<std::vector<uint32_t>> CudaVm::decode(uint32_t token, uint32_t count) {
  AMK_TRY(impl_->run(token, count));
  std::vector<uint32_t> out;
  for (uint32_t pass = 0; pass < count; ++pass) out.push_back(impl_->chosen_token(pass));
  return out;
}

const std::optional<Fault>& CudaVm::fault() const { return impl_->fault; }

Result<std::vector<float>> CudaVm::logits() {
  const BufferId id = impl_->logits;
  std::vector<float> out(abi::element_count(impl_->program().buffer(id).shape));
  AMK_TRY(impl_->device.download(std::as_writable_bytes(std::span(out)), impl_->addresses.buffers[id.index()]));
  return out;
}

Result<std::vector<float>> CudaVm::values(BufferId id) {
  if (impl_->position == 0) return Error{ErrorCode::kUsage, "expected a pass before its values, found none", "", ""};
  return impl_->values(id);
}

uint32_t CudaVm::next_token() const { return impl_->chosen_token(impl_->last_passes - 1); }
uint32_t CudaVm::position() const { return impl_->position; }
uint64_t CudaVm::vocab() const { return impl_->vocab; }

Status CudaVm::reset() {
  impl_->position = 0;
  return {};
}

Status CudaVm::set_history(const std::function<float(uint32_t layer, bool value, uint64_t element)>& draw,
                           uint32_t position) {
  if (position > impl_->program().meta.context) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected at most {} positions, the program's context, found {}",
                             impl_->program().meta.context, position),
                 "", ""};
  }
  uint32_t cache = 0;
  for (size_t i = 0; i < impl_->program().buffers.size(); ++i) {
    const Buffer& buffer = impl_->program().buffers[i];
    if (buffer.kind != BufferKind::kKvCache) continue;
    const uint64_t heads = buffer.shape.extent[0], head_dim = buffer.shape.extent[2];
    const uint64_t room = device::cache_room(static_cast<uint32_t>(buffer.shape.extent[1]));
    const uint32_t bytes = abi::dtype_bytes(buffer.shape.dtype);
    std::vector<std::byte> rows(position * head_dim * bytes);
    for (uint64_t head = 0; head < heads; ++head) {
      for (uint64_t e = 0; e < position * head_dim; ++e) {
        const uint64_t element = (e / head_dim * heads + head) * head_dim + e % head_dim;  // [position, head, i]
        const float value = draw(cache / 2, cache % 2 == 1, element);
        if (bytes == 4) {
          std::memcpy(rows.data() + e * 4, &value, 4);
        } else {
          const uint16_t bits = buffer.shape.dtype == abi::Dtype::kF16 ? f32_to_f16(value) : f32_to_bf16(value);
          std::memcpy(rows.data() + e * 2, &bits, 2);
        }
      }
      AMK_TRY(impl_->device.upload(impl_->addresses.buffers[i] + head * room * head_dim * bytes, rows));
    }
    ++cache;
  }
  impl_->position = position;
  return {};
}

Status CudaVm::enqueue(uint32_t token, uint32_t position, uint32_t passes) {
  return impl_->enqueue(token, position, passes);
}
Status CudaVm::synchronize() { return impl_->synchronize(); }
const KernelResources& CudaVm::resources() const { return impl_->resources; }
double CudaVm::build_seconds() const { return impl_->build_seconds; }
double CudaVm::upload_seconds() const { return impl_->upload_seconds; }
uint64_t CudaVm::device_bytes() const { return impl_->device_bytes; }

Result<std::vector<device::TraceRecord>> CudaVm::trace() {
  std::vector<device::TraceRecord> out(impl_->traced.size() * impl_->last_passes);
  if (!impl_->options.trace)
    return Error{ErrorCode::kUsage, "expected a VM that was made to trace, found one that was not", "", ""};
  AMK_TRY(impl_->device.download(std::as_writable_bytes(std::span(out)), impl_->trace.address()));
  return out;
}
const std::vector<uint32_t>& CudaVm::traced_tasks() const { return impl_->traced; }
const std::vector<uint32_t>& CudaVm::queue_begin() const { return impl_->translated.queue_begin; }

}  // namespace amk::vm::cuda
