// What `tidemark profile -- COMMAND` and libtidemark_inject.so agree on: names of environment variables and
// files.
#pragma once

namespace tidemark {

inline constexpr const char* kInjectionFolder = "TIDEMARK_INJECT_FOLDER";    ///< where recordings go
inline constexpr const char* kInjectionKernels = "TIDEMARK_INJECT_KERNELS";  ///< "0": memory alone
/// Set by who develops this: some of CUPTI's records are kept as they are, as PROCESS.records.
inline constexpr const char* kInjectionRecords = "TIDEMARK_INJECT_RECORDS";
inline constexpr const char* kRecordsExtension = ".records";
inline constexpr const char* kJournalExtension = ".events";  ///< of PROCESS.events, in the folder

}  // namespace tidemark
