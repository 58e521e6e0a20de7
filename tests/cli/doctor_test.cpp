#include <cstdlib>
#include <filesystem>
#include <map>

#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Doctor : public CommandTest {
 protected:
  // GCC 12's LeakSanitizer guesses where the thread-local blocks of libraries loaded later lie; for some of
  // CUDA's it guesses wrong and crashes. AddressSanitizer's other checks stay.
  Doctor() { setenv("ASAN_OPTIONS", "detect_leaks=0", 1); }
  ~Doctor() override { unsetenv("ASAN_OPTIONS"); }

  std::map<std::string, json> checks() const {
    std::map<std::string, json> rows;
    const json document = json_of({"doctor"});
    for (const json& c : document["checks"]) rows[c["name"]] = c;
    return rows;
  }
};

TEST_F(Doctor, ChecksAllAndSaysWhatToDo) {
  const auto all = checks();
  for (const char* name : {"processors", "driver", "devices", "CUDA kernels", "CUDA runtime", "cuBLASLt",
                           "CUPTI", "hardware counters", "NCCL", "peer access"}) {
    ASSERT_TRUE(all.contains(name)) << name;
    const json& c = all.at(name);
    EXPECT_THAT(c["status"], ::testing::AnyOf("ok", "limited", "missing"));
    EXPECT_EQ(c["remedy"].get<std::string>().empty(), c["status"] == "ok") << c;
    EXPECT_FALSE(c["found"].get<std::string>().empty());
  }
  if (!std::filesystem::exists("/proc/driver/nvidia/version")) {
    EXPECT_EQ(all.at("driver")["status"], "missing");
    EXPECT_EQ(all.at("devices")["status"], "missing");
  }
  const Output text = run({"doctor"});
  EXPECT_EQ(text.status, 0);
  std::istringstream lines(text.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

/// CUPTI is asked to record, not only whether it is there.
TEST_F(Doctor, TriesCupti) {
  ASSERT_EQ(setenv("LD_LIBRARY_PATH", TIDEMARK_FAKE_DRIVER, 1), 0);
  EXPECT_EQ(checks().at("CUPTI")["found"], "API version 7, it records");
  ASSERT_EQ(setenv("FAKE_CUPTI_ERROR", "35", 1), 0);
  json cupti = checks().at("CUPTI");
  EXPECT_EQ(cupti["status"], "limited");
  EXPECT_EQ(cupti["found"], "API version 7, but it cannot record: error 35");
  EXPECT_THAT(cupti["remedy"].get<std::string>(), HasSubstr("NVreg_RestrictProfilingToAdminUsers=0"));
  ASSERT_EQ(setenv("FAKE_CUPTI_ERROR", "39", 1), 0);
  EXPECT_THAT(checks().at("CUPTI")["remedy"].get<std::string>(), HasSubstr("the other profiler"));
  unsetenv("FAKE_CUPTI_ERROR");
  unsetenv("LD_LIBRARY_PATH");
}

/// What it finds is what the driver says, here one that stands in for it.
TEST_F(Doctor, AsksTheDriver) {
  ASSERT_EQ(setenv("LD_LIBRARY_PATH", TIDEMARK_FAKE_DRIVER, 1), 0);
  const auto all = checks();
  unsetenv("LD_LIBRARY_PATH");
  EXPECT_EQ(all.at("driver")["status"], "ok");
  EXPECT_EQ(all.at("driver")["found"], "CUDA 12.4");
  const std::string devices = all.at("devices")["found"];
  EXPECT_THAT(devices, HasSubstr("Device A, 80.0 GiB, compute capability 9.0"));
  EXPECT_THAT(devices, HasSubstr("Device B, 80.0 GiB, compute capability 7.5"));
  const json& kernels = all.at("CUDA kernels");
  if (kernels["status"] != "missing") {
    EXPECT_EQ(kernels["status"], "limited");
    EXPECT_THAT(kernels["found"].get<std::string>(), ::testing::EndsWith(": not for Device B"));
    EXPECT_THAT(kernels["remedy"].get<std::string>(), HasSubstr("8.0"));
  }
  EXPECT_EQ(all.at("peer access")["status"], "limited");
  EXPECT_EQ(all.at("peer access")["found"], "not from 1 to 0");
}

}  // namespace
}  // namespace tidemark
