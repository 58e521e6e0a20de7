#include "tests/cli/command.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace tidemark {
namespace {

namespace fs = std::filesystem;

void redirect(int descriptor, const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(126);
}

}  // namespace

pid_t CommandTest::start(const Arguments& arguments, const CommandOptions& options) const {
  for (const char* name : {"stdout", "stderr"}) fs::remove(path(name));  // of the command before
  const pid_t child = ::fork();
  if (child != 0) return child;
  if (::chdir(folder_.c_str()) != 0) ::_exit(126);
  redirect(STDOUT_FILENO, options.out.empty() ? path("stdout") : options.out);
  redirect(STDERR_FILENO, path("stderr"));
  if (options.file_limit > 0) {
    const auto bytes = static_cast<rlim_t>(options.file_limit);
    const struct rlimit limit = {bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  std::vector<char*> argv;
  std::vector<std::string> copies = with({options.command}, arguments);
  for (std::string& a : copies) argv.push_back(a.data());
  argv.push_back(nullptr);
  ::execv(options.command.c_str(), argv.data());
  ::_exit(127);
}

Output CommandTest::finish(pid_t child) const {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), bytes_of(path("stdout")),
          bytes_of(path("stderr"))};
}

nlohmann::json CommandTest::json_of(Arguments arguments) const {
  arguments.emplace_back("--json");
  const Output output = run(arguments);
  EXPECT_EQ(output.status, 0) << output.error;
  return output.json();
}

std::string CommandTest::error_of(const Arguments& arguments, int status,
                                  const CommandOptions& options) const {
  const Output output = run(arguments, options);
  EXPECT_EQ(output.status, status) << output.error;
  std::string error;
  std::istringstream lines(output.error);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("step ")) continue;  // progress
    EXPECT_TRUE(error.empty()) << "more than one line: " << output.error;
    EXPECT_TRUE(line.starts_with("tidemark: ")) << line;
    error = line;
  }
  return error;
}

}  // namespace tidemark
