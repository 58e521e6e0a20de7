#include "cli/profile_command.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>

#include "base/current_op.h"
#include "base/error.h"
#include "cli/companion.h"
#include "profiler/cupti/injection.h"
#include "profiler/cupti/journal.h"
#include "profiler/cupti/process_traces.h"

namespace tidemark::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWhat = "cannot profile the command";

constexpr const char* kSiteCustomize =
#include "sitecustomize.inc"
    ;

std::string injection_library() {
  if (std::string library = companion_library("libtidemark_inject.so"); !library.empty()) return library;
  throw Error(kWhat, "libtidemark_inject.so", "this build has none",
              "build where the CUDA toolkit (12.4 or later) is installed");
}

/// A folder beside the trace, so that results are renamed and not copied; it goes with this.
class TraceFolder {
 public:
  explicit TraceFolder(const std::string& out) {
    std::string name = fs::absolute(out).string() + ".XXXXXX";
    if (::mkdtemp(name.data()) == nullptr)
      throw Error(kWhat, out, std::strerror(errno), "choose another place", ExitCode::failure);
    path_ = name;
  }
  ~TraceFolder() {
    std::error_code ignored;
    if (!kept_) fs::remove_all(path_, ignored);
  }
  TraceFolder(const TraceFolder&) = delete;
  TraceFolder& operator=(const TraceFolder&) = delete;

  const std::string& path() const { return path_; }
  std::vector<fs::path> files(const std::string& extension) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(path_))
      if (entry.path().extension() == extension) found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
  }
  /// Out of the folder, which stays where that cannot be.
  std::string move(const fs::path& file, const fs::path& place) {
    std::error_code error;
    fs::rename(file, place, error);
    kept_ = kept_ || error;
    if (error)
      throw Error(kWhat, place.string(), error.message(), "what was recorded is in " + path_,
                  ExitCode::failure);
    return place.string();
  }

 private:
  std::string path_;
  bool kept_ = false;
};

/// Every Python that is started reads what lies in `folder` before its script.
void hook_python(const fs::path& folder) {
  fs::create_directory(folder);
  // Half of it would be an error in each of them.
  if (std::ofstream file(folder / "sitecustomize.py"); !(file << kSiteCustomize << std::flush))
    throw Error(kWhat, folder.string(), std::strerror(errno), "free some space, or name another place",
                ExitCode::failure);
  const char* before = std::getenv("PYTHONPATH");
  const std::string path = folder.string() + (before && *before ? ":" + std::string(before) : "");
  ::setenv("PYTHONPATH", path.c_str(), 1);
}

/// While a command runs, what would end this process is for the command, so that its recording is taken all
/// the same. A terminal's signals reach it anyhow; others are passed on.
class SignalsForChild {
 public:
  /// Signals wait until pass_to().
  SignalsForChild() {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, &mask_);
    for (size_t i = 0; i < kSignals.size(); ++i) {
      struct sigaction action = {};
      action.sa_handler = kSignals[i] == SIGTERM || kSignals[i] == SIGHUP ? pass_on : SIG_IGN;
      ::sigaction(kSignals[i], &action, &before_[i]);
    }
  }
  ~SignalsForChild() {
    restore();
    child_ = 0;
  }
  SignalsForChild(const SignalsForChild&) = delete;
  SignalsForChild& operator=(const SignalsForChild&) = delete;

  /// As it was before; in the child, too.
  void restore() const {
    for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
    ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }
  void pass_to(pid_t child) {
    child_ = child;
    ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }

 private:
  static constexpr std::array kSignals = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
  static inline std::atomic<pid_t> child_ = 0;

  static void pass_on(int signal) {
    if (const pid_t child = child_; child > 0) ::kill(child, signal);
  }

  std::array<struct sigaction, kSignals.size()> before_{};
  sigset_t mask_{};
};

/// As waitpid says it.
int run(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  std::vector<std::string> copies = command;
  for (std::string& word : copies) argv.push_back(word.data());
  argv.push_back(nullptr);
  int failure[2];  // says why the child could not become the command
  if (::pipe2(failure, O_CLOEXEC) != 0)
    throw Error(kWhat, command.front(), std::strerror(errno), {}, ExitCode::failure);
  SignalsForChild signals;
  const pid_t child = ::fork();
  if (child == 0) {
    signals.restore();
    ::execvp(argv[0], argv.data());
    const int why = errno;
    ::_exit(::write(failure[1], &why, sizeof why) == sizeof why ? 127 : 126);
  }
  int why = child < 0 ? errno : 0;
  signals.pass_to(child);
  ::close(failure[1]);
  while (::read(failure[0], &why, sizeof why) < 0 && errno == EINTR) {
  }
  ::close(failure[0]);
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (why != 0) throw Error(kWhat, command.front(), std::strerror(why), "check its name and permissions");
  return status;
}

/// Of what a process recorded, beside it. Returns its rank, where a launcher gave it one.
std::optional<int64_t> make_traces(const fs::path& path) {
  const std::string process = path.stem().string();
  const auto complain = [&](const std::string& why) {
    std::cerr << "tidemark: process " << process << ": " << why << "\n";
  };
  try {
    Journal journal = read_journal(path.string());
    if (!journal.finished) complain("it was ended; what it did last may be missing");
    journal.log.set_unix_offset(journal.metadata.value("unix_offset_ns", int64_t{0}));
    journal.metadata.erase("unix_offset_ns");
    journal.metadata["complete"] = journal.finished;
    // All of it is in memory by now.
    const auto drop_journal = [&] { return fs::remove(path); };
    write_process_traces(journal.log, path.parent_path().string(), std::stoi(process), journal.metadata,
                         complain, drop_journal);
    if (journal.metadata.contains("rank")) return journal.metadata.value("rank", int64_t{0});
  } catch (const std::exception& e) {
    complain(e.what());
  }
  return {};
}

/// The part of a trace's name that tells it from others: "rank3-0" of "4711-0", where no other process has
/// that rank.
std::string name_of(const fs::path& trace, const std::map<std::string, int64_t>& ranks) {
  const std::string own = trace.stem().string(), process = own.substr(0, own.find('-'));
  const auto rank = ranks.find(process);
  const auto is_same = [&](const auto& other) { return other.second == rank->second; };
  if (rank == ranks.end() || std::ranges::count_if(ranks, is_same) > 1) return own;
  return "rank" + std::to_string(rank->second) + own.substr(process.size());
}

std::string how_it_ended(int status) {
  if (WIFEXITED(status)) return "it ended with status " + std::to_string(WEXITSTATUS(status));
  return "signal " + std::to_string(WTERMSIG(status)) + " ended it: " + ::strsignal(WTERMSIG(status));
}

}  // namespace

CommandProfile profile_command(const std::vector<std::string>& command, const std::string& out,
                               const CommandProfileOptions& options) {
  const std::string library = injection_library();
  if (fs::is_directory(out)) throw Error(kWhat, out, std::strerror(EISDIR), "name a file", ExitCode::failure);
  TraceFolder folder(out);
  ::setenv(kInjectedLibrary, library.c_str(), 1);
  ::setenv(kInjectionFolder, folder.path().c_str(), 1);
  ::setenv(kInjectionKernels, options.kernels ? "1" : "0", 1);
  if (options.pytorch) hook_python(fs::path(folder.path()) / "python");
  CommandProfile profile;
  const int status = run(command);
  profile.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::map<std::string, int64_t> ranks;  // of processes
  const std::vector<fs::path> journals = folder.files(kJournalExtension);
  for (const fs::path& journal : journals)
    if (const auto rank = make_traces(journal)) ranks[journal.stem().string()] = *rank;
  for (const fs::path& snapshot : folder.files(".pickle")) {
    fs::path place = out;
    place.replace_extension(snapshot.filename());
    profile.snapshots.push_back(folder.move(snapshot, place));
  }
  for (const fs::path& records : folder.files(kRecordsExtension))
    folder.move(records, fs::path(out).replace_extension(records.filename()));
  const std::vector<fs::path> traces = folder.files(".tide");
  if (traces.empty()) {
    const ExitCode code = status == 0 ? ExitCode::failure : static_cast<ExitCode>(profile.status);
    if (!journals.empty())
      throw Error(kWhat, out, "no trace of it could be written (" + how_it_ended(status) + ")",
                  "free some space, or name a place that has more", code);
    throw Error(kWhat, command.front(), "nothing of it used a CUDA device (" + how_it_ended(status) + ")",
                profile.snapshots.empty() ? "see 'tidemark doctor'"
                                          : "'tidemark import " + profile.snapshots.front() +
                                                "' shows what PyTorch allocated; see 'tidemark doctor'",
                code);
  }
  for (const fs::path& trace : traces) {
    fs::path place = out;
    if (traces.size() > 1) place.replace_extension(name_of(trace, ranks) + ".tide");
    profile.traces.push_back(folder.move(trace, place));
  }
  return profile;
}

}  // namespace tidemark::cli
