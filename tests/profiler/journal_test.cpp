// What a recorded program leaves, whole and cut off.
#include "profiler/cupti/journal.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

class JournalTest : public ScratchTest {
 protected:
  static CudaEvent event(CudaEventLog& log, int64_t time, const char* name) {
    CudaEvent e;
    e.start_ns = time;
    e.name = log.intern(name);
    return e;
  }
  /// Two events of "gemm" and one of "copy", in two goes.
  void write_sample() const {
    CudaEventLog log;
    JournalWriter writer;
    writer.open(path("7.events"), {{"model", "program"}, {"offset", 1}});
    writer.append(log);
    EXPECT_FALSE(std::filesystem::exists(path("7.events"))) << "there are no events yet";
    log.add(event(log, 10, "gemm"));
    writer.append(log);
    EXPECT_TRUE(log.events().empty());
    log.add(event(log, 20, "copy"));
    log.add(event(log, 30, "gemm"));
    writer.append(log);
    writer.finish({{"offset", 2}});
  }
};

TEST_F(JournalTest, HasAllThatWasRecorded) {
  write_sample();
  const Journal journal = read_journal(path("7.events"));
  EXPECT_TRUE(journal.finished);
  EXPECT_EQ(journal.metadata, (nlohmann::json{{"model", "program"}, {"offset", 2}}));
  std::vector<std::pair<int64_t, std::string>> events;
  for (const CudaEvent& e : journal.log.events()) events.emplace_back(e.start_ns, journal.log.name(e.name));
  EXPECT_EQ(events, (decltype(events){{10, "gemm"}, {20, "copy"}, {30, "gemm"}}));
}

TEST_F(JournalTest, CutOffItHasWhatCameBefore) {
  write_sample();
  const std::string whole = bytes_of(path("7.events"));
  size_t most = 0, readable = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = write("cut.events", whole.substr(0, size));
    try {
      const Journal journal = read_journal(cut);
      EXPECT_FALSE(journal.finished);
      EXPECT_EQ(journal.metadata["offset"], 1);
      EXPECT_GE(journal.log.events().size(), most);
      most = journal.log.events().size();
      ++readable;
    } catch (const Error&) {
      EXPECT_EQ(readable, 0u) << "its beginning was there";
    }
  }
  EXPECT_EQ(most, 3u);
}

TEST_F(JournalTest, ThatCannotBeWrittenSaysSo) {
  CudaEventLog log;
  log.add(event(log, 10, "gemm"));
  JournalWriter writer;
  writer.open(path("absent/7.events"), {});
  EXPECT_NE(message_of<Error>([&] { writer.append(log); }).find("absent/7.events: No such file"),
            std::string::npos);
}

}  // namespace
}  // namespace tidemark
