// The injection library in programs that do not use CUDA: it loads, and that is all.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profiler/cupti/injection.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

class InjectionTest : public ScratchTest {
 protected:
  /// Runs `body` in a process of its own and returns its exit status.
  template <typename Body>
  int in_child(Body body) const {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv(kInjectionFolder, folder_.c_str(), 1);
      body();
      ::_exit(126);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
};

TEST_F(InjectionTest, AProgramWithoutCudaRunsAsItDid) {
  const std::string out = path("out");
  EXPECT_EQ(in_child([&] {
              ::setenv("LD_PRELOAD", TIDEMARK_INJECT, 1);
              ::setenv("CUDA_INJECTION64_PATH", TIDEMARK_INJECT, 1);
              const std::string command = "echo hello > " + out + " 2>&1; exit 7";
              ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
            }),
            7);
  EXPECT_EQ(bytes_of(out), "hello\n");
  std::filesystem::remove(out);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

/// As the driver would start it: whether CUPTI can record here or not, the program goes on, and at its end
/// there is no trace of memory that nobody used.
TEST_F(InjectionTest, StartedWhereNothingUsesADeviceItLeavesNothing) {
  EXPECT_EQ(in_child([] {
              void* library = ::dlopen(TIDEMARK_INJECT, RTLD_NOW);
              if (!library) ::_exit(1);
              const auto start = reinterpret_cast<int (*)()>(::dlsym(library, "InitializeInjection"));
              if (!start || start() != 1) ::_exit(2);
              std::exit(0);
            }),
            0);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace tidemark
