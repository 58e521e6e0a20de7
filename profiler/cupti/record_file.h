// CUPTI's records as it wrote them, in a file: what the decoder is tested on where there is no GPU.
#pragma once

#include <cupti.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace tidemark {

/// Keeps the first records of each kind, with the texts that they point to.
class RecordWriter {
 public:
  static constexpr int kOfEachKind = 32;

  /// Throws Error where the file cannot be written. `version`: of the CUPTI that writes them.
  RecordWriter(const std::string& path, uint32_t version);
  ~RecordWriter();
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  /// `bytes`: to where the next one begins.
  void add(const CUpti_Activity& record, size_t bytes);

 private:
  std::string path_;
  uint32_t version_;
  std::FILE* file_ = nullptr;
  std::map<int, int> kept_;  ///< by kind
};

/// Gives each to `take`, pointers and all, with the version of its CUPTI. Throws Error where the file is not
/// one of records.
void read_records(const std::string& path,
                  const std::function<void(const CUpti_Activity&, uint32_t version)>& take);

}  // namespace tidemark
