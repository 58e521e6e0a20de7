#include "cli/profile_command.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "cli/companion.h"
#include "profiler/cupti/injection.h"

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
    fs::remove_all(path_, ignored);
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

 private:
  std::string path_;
};

/// Every Python that is started reads what lies in `folder` before its script.
void hook_python(const fs::path& folder) {
  fs::create_directory(folder);
  std::ofstream(folder / "sitecustomize.py") << kSiteCustomize;
  const char* before = std::getenv("PYTHONPATH");
  const std::string path = folder.string() + (before && *before ? ":" + std::string(before) : "");
  ::setenv("PYTHONPATH", path.c_str(), 1);
}

int run(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  std::vector<std::string> copies = command;
  for (std::string& word : copies) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execvp(argv[0], argv.data());
    ::_exit(errno == ENOENT ? 127 : 126);
  }
  if (child < 0) throw Error(kWhat, command.front(), std::strerror(errno), {}, ExitCode::failure);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

CommandProfile profile_command(const std::vector<std::string>& command, const std::string& out,
                               const CommandProfileOptions& options) {
  const std::string library = injection_library();
  const TraceFolder folder(out);
  ::setenv("CUDA_INJECTION64_PATH", library.c_str(), 1);
  ::setenv(kInjectionFolder, folder.path().c_str(), 1);
  ::setenv(kInjectionKernels, options.kernels ? "1" : "0", 1);
  if (options.pytorch) hook_python(fs::path(folder.path()) / "python");
  CommandProfile profile;
  profile.status = run(command);
  for (const fs::path& snapshot : folder.files(".pickle")) {
    fs::path place = out;
    place.replace_extension(snapshot.filename());
    fs::rename(snapshot, place);
    profile.snapshots.push_back(place.string());
  }
  const std::vector<fs::path> traces = folder.files(".tide");
  if (traces.empty()) {
    const bool not_run = profile.status == 126 || profile.status == 127;
    if (not_run) throw Error(kWhat, command.front(), "it cannot be run", "check its name and permissions");
    throw Error(
        kWhat, command.front(),
        "nothing of it used a CUDA device (it ended with status " + std::to_string(profile.status) + ")",
        profile.snapshots.empty() ? "see 'tidemark doctor'"
                                  : "'tidemark import " + profile.snapshots.front() +
                                        "' shows what PyTorch allocated; see 'tidemark doctor'",
        ExitCode::failure);
  }
  for (const fs::path& trace : traces) {
    fs::path place = out;
    if (traces.size() > 1) place.replace_extension(trace.stem().string() + ".tide");
    fs::rename(trace, place);
    profile.traces.push_back(place.string());
  }
  return profile;
}

}  // namespace tidemark::cli
