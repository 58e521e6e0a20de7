// PyTorch's memory snapshots (torch.cuda.memory._dump_snapshot): what its caching allocator did, and who
// asked it to.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/category.h"
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
    std::string op, module;
    Phase phase = Phase::forward;
  };

  struct Range {
    uint64_t address = 0;
    int64_t bytes = 0;
  };

  /// Throws Error where it is no snapshot.
  explicit Snapshot(const std::string& path);

  const std::string& path() const { return path_; }
  std::map<int64_t, std::string> devices() const;  ///< whose memory it knows: 1 -> "cuda:1"
  const std::vector<Event>& events(int64_t device) const;
  const Stack& stack(uint32_t number) const { return stacks_[number]; }
  /// What the allocator held and what of it was in use when the snapshot was made. Throw Error where sizes
  /// or addresses cannot be.
  std::vector<Range> segments(int64_t device) const;
  std::vector<Range> blocks(int64_t device) const;

  /// The allocator's smallest block is 512 bytes: it rounds every size up to a multiple.
  static int64_t block_bytes(int64_t wanted) { return (wanted + 511) / 512 * 512; }

 private:
  using Value = Pickle::Value;
  struct Frame {
    std::string file, name;
    int64_t line = 0;
    auto operator<=>(const Frame&) const = default;
  };

  std::optional<int64_t> reduce(const Pickle& p, uint32_t into, Value item);
  void add_event(const Pickle& p, uint32_t list, Value item);
  int64_t frame_of(const Pickle& p, Value item);
  std::optional<int64_t> stack_of(const Pickle& p, Value list);
  uint32_t number_of_stack(const std::vector<int64_t>& frames);
  Stack described(const std::vector<int64_t>& frames) const;
  std::vector<Value> segment_values(int64_t device) const;
  Range range(Value of, const char* what, const char* size, int64_t address) const;

  std::string path_;
  std::vector<Frame> frames_;
  std::map<Frame, size_t> frame_numbers_;
  std::vector<Stack> stacks_;
  std::map<std::vector<int64_t>, uint32_t> stack_numbers_;
  std::unordered_map<uint32_t, std::vector<Event>> events_;  ///< by the list that they stand in
  Pickle pickle_;                                            ///< last: reading it fills the others
};

}  // namespace tidemark
