// Runs the `tidemark` binary as a user does.
#pragma once

#include <gmock/gmock.h>
#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/scratch.h"

namespace tidemark {

using Arguments = std::vector<std::string>;

struct Output {
  int status = -1;  ///< exit status; 128 and the signal where one ended it
  std::string out, error;

  nlohmann::json json() const { return nlohmann::json::parse(out); }
};

struct CommandOptions {
  int64_t file_limit = 0;  ///< bytes a file may have (ulimit -f); 0: any
  std::string out = {};    ///< where standard output goes; empty: into Output::out
  std::string command = TIDEMARK_COMMAND;
};

class CommandTest : public ScratchTest {
 protected:
  /// Starts the command in the scratch folder; its output goes to files there.
  pid_t start(const Arguments& arguments, const CommandOptions& options = {}) const;
  Output finish(pid_t child) const;
  Output run(const Arguments& arguments, const CommandOptions& options = {}) const {
    return finish(start(arguments, options));
  }
  /// Runs it, expects status 0 and no other word than progress on standard error, and parses its JSON.
  nlohmann::json json_of(Arguments arguments) const;
  /// Runs it and expects `status` and exactly one line of error, "tidemark: …", which is returned.
  std::string error_of(const Arguments& arguments, int status, const CommandOptions& options = {}) const;

  static std::string shakespeare() {
    return std::string(TIDEMARK_SOURCE_DIR) + "/examples/data/shakespeare.txt";
  }
  static std::string parity(const std::string& name) {
    return std::string(TIDEMARK_TEST_DATA) + "/parity/" + name;
  }
  static Arguments with(Arguments arguments, const Arguments& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  /// `train` on a tiny model, to which a test adds.
  static Arguments train(const Arguments& more, const std::string& preset = "llama-tiny") {
    return with({"train", "--model", preset, "--data", shakespeare(), "--batch", "2", "--length", "32",
                 "--threads", "2"},
                more);
  }
};

}  // namespace tidemark
