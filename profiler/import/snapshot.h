// PyTorch's memory snapshots (torch.cuda.memory._dump_snapshot): what its caching allocator did, and who
// asked it to.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/category.h"
#include "base/name.h"
#include "base/numbering.h"
#include "profiler/import/pickle.h"

namespace tidemark {

class Snapshot {
 public:
  struct Event {
    enum Action : uint8_t { alloc, free_completed, segment_alloc, segment_free };
    Action action = alloc;
    bool mapped = false;  ///< of a segment: a stretch of one that grows
    uint32_t stack = 0;   ///< see stack()
    uint64_t address = 0;
    int64_t bytes = 0;     ///< of a block what was asked for; see block_bytes()
    int64_t time_us = -1;  ///< of the Unix clock; -1: snapshots of old versions have none
  };

  /// Whose request it was, as far as it is of use.
  struct Stack {
    Name op, module;
    Phase phase = Phase::forward;
    bool of_library = false;  ///< see MemoryRecording::Op
  };

  struct Range {
    uint64_t address = 0;
    int64_t bytes = 0;
  };

  /// Is given the events as they are read, so that none needs to be kept. `list`: as of list_of().
  using Listener = std::function<void(const Snapshot&, uint32_t list, const Event&)>;

  /// Throws Error where it is no snapshot. With a listener events() has none.
  explicit Snapshot(const std::string& path, Listener listener = {});

  const std::string& path() const { return path_; }
  std::map<int64_t, std::string> devices() const;  ///< whose memory it knows: 1 -> "cuda:1"
  const std::vector<Event>& events(int64_t device) const;
  /// The list in which a device's events stand, if it has any.
  std::optional<uint32_t> list_of(int64_t device) const;
  const Stack& stack(uint32_t number) const { return stacks_[number]; }
  /// What the allocator held and what of it was in use when the snapshot was made. Throw Error where sizes
  /// or addresses cannot be.
  std::vector<Range> segments(int64_t device) const;
  std::vector<Range> blocks(int64_t device) const;

  /// The allocator's smallest block is 512 bytes: it rounds every size up to a multiple.
  static int64_t block_bytes(int64_t wanted) { return (wanted + 511) / 512 * 512; }

 private:
  using Value = Pickle::Value;
  /// What is read of frames and events.
  enum Field : uint8_t { kFile, kName, kLine, kAction, kAddress, kSize, kTime, kFrames, kFields };
  using Fields = std::array<Value, kFields>;
  struct Frame {
    Name file, name;
    int64_t line = 0;
    bool operator==(const Frame&) const = default;
  };
  using Frames = std::vector<uint32_t>;  ///< numbers, innermost first
  struct Hash {
    size_t operator()(const Frame& frame) const;
    size_t operator()(const Frames& frames) const;
  };

  std::optional<int64_t> reduce(const Pickle& p, uint32_t into, Value item);
  Fields fields_of(const Pickle& p, Value dict);
  void add_event(const Pickle& p, uint32_t list, const Fields& fields);
  std::optional<int64_t> stack_of(const Pickle& p, Value list);
  uint32_t number_of_stack(const Frames& frames);
  Stack described(const Frames& frames) const;
  std::vector<Value> segment_values(int64_t device) const;
  Range range(Value of, const char* what, const char* size, int64_t address) const;

  std::string path_;
  Listener listener_;
  std::vector<Field> fields_;  ///< by the texts of keys; kFields: none of them
  Numbering<Frame, Hash> frames_;
  Numbering<Frames, Hash> stack_numbers_;
  std::vector<Stack> stacks_;
  Frames frames_of_stack_;                                   ///< scratch
  std::unordered_map<uint32_t, std::vector<Event>> events_;  ///< by the list that they stand in
  Pickle pickle_;                                            ///< last: reading it fills the others
};

}  // namespace tidemark
