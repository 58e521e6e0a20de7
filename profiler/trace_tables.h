// The tables of a `.tide` file: which ops and buffers a run has. docs/formats.md describes their frames.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "profiler/trace.h"
#include "profiler/trace_format.h"

namespace tidemark::tide {

/// Makes frames of rows that come one by one: recordings have millions.
class TablesEncoder {
 public:
  /// Is given each frame when it is full.
  using Sink = std::function<void(FrameType, std::span<const std::byte>)>;

  TablesEncoder(Sink sink, const nlohmann::json& metadata, size_t steps, size_t buffers);
  /// All steps, then all buffers, then finish().
  void add(const ProgramStep& step);
  void add(const TraceBuffer& buffer);
  void finish() { flush(in_buffers_ ? kBuffers : kProgram); }

 private:
  void put(const Name& name);
  void flush(FrameType rows);

  Sink sink_;
  std::unordered_map<const std::string*, uint64_t> numbers_;  ///< of the texts that have one
  std::string new_texts_;                                     ///< a JSON list, open
  std::vector<std::byte> rows_;
  bool in_buffers_ = false;
};

struct Tables {
  nlohmann::json metadata;
  std::vector<ProgramStep> program;
  std::vector<TraceBuffer> buffers;
};

/// Takes frames in the order in which the file has them. Throws Error, which names the file, where what they
/// say cannot be.
class TablesDecoder {
 public:
  TablesDecoder(const std::string& path, Tables& out) : path_(path), out_(out) {}

  /// Version 1: all of them in one frame.
  void read_one_frame(std::span<const std::byte> payload);
  /// Whether it is a frame of tables whose turn it is.
  bool read(uint32_t type, std::span<const std::byte> payload);
  bool complete() const { return complete_; }

 private:
  struct Text {
    Name alone, before_number;
  };

  void read_head(std::span<const std::byte> payload);
  void read_texts(std::span<const std::byte> payload);
  void read_program(VarintReader rows);
  void read_buffers(VarintReader rows);
  Name name(VarintReader& row) const;
  void set_metadata(nlohmann::json metadata);
  void check_buffers() const;

  const std::string& path_;
  Tables& out_;
  std::vector<Text> texts_;
  size_t steps_ = 0, buffers_ = 0;  ///< that there will be
  bool has_head_ = false, complete_ = false;
};

}  // namespace tidemark::tide
