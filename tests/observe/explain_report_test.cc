// The text and the JSON of an explanation made by hand: each number where it
// belongs, and the lines that only some arenas have.
#include "allocator/observe/explain_report.h"

#include <cstring>
#include <string>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

using Write = void (*)(const Explanation&, ReportWriter*);

std::string Written(const Explanation& explanation, Write write) {
  std::string text;
  {
    ReportWriter out(
        [](void* ctx, const char* piece, size_t length) {
          static_cast<std::string*>(ctx)->append(piece, length);
        },
        &text);
    write(explanation, &out);
  }
  return text;
}

bool Has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// 700 of 1000 bytes in a region, 300 in a slab.
Explanation Simple() {
  Explanation made = {};
  strcpy(made.name, "simple");
  made.handle = 0x1230;
  made.charged_bytes = 1000;
  made.parts[kLive] = 900;
  made.parts[kBins] = 100;
  made.holdings[Explanation::kSlabs] = {1, 300, 3, 290};
  made.holdings[Explanation::kRegions] = {1, 700, 2, 610};
  made.metadata_bytes = 64;
  return made;
}

TEST(ExplainReportTest, PlainArenasHaveNoLinesOfOthers) {
  const std::string text = Written(Simple(), WriteText);
  EXPECT_TRUE(Has(text, "arena \"simple\" 0x1230: 1000 bytes charged\n"))
      << text;
  EXPECT_TRUE(Has(text, "            900  live: usable bytes")) << text;
  EXPECT_TRUE(Has(text, "            300  slabs: 1, with 3 live blocks of 290"))
      << text;
  EXPECT_FALSE(Has(text, "limit")) << text;
  EXPECT_FALSE(Has(text, "memory of its own")) << text;
  EXPECT_FALSE(Has(text, "children only")) << text;
  EXPECT_FALSE(Has(Written(Simple(), WriteJson), "given_bytes"));
}

TEST(ExplainReportTest, LimitsAndExactChargesAreTold) {
  Explanation made = Simple();
  made.limit_bytes = 4096;
  made.counts_blocks = true;
  const std::string text = Written(made, WriteText);
  EXPECT_TRUE(Has(text,
                  "1000 bytes charged, limit 4096; live blocks and "
                  "children only, of 1000 bytes of pages\n"))
      << text;
  const std::string json = Written(made, WriteJson);
  EXPECT_TRUE(Has(json, "\"limit_bytes\":4096,\"exact_bytes\":true")) << json;
}

TEST(ExplainReportTest, EachKindHasItsFiguresInJson) {
  const std::string json = Written(Simple(), WriteJson);
  EXPECT_TRUE(Has(json,
                  "\"kinds\":{\"slabs\":{\"count\":1,\"bytes\":300,"
                  "\"live_blocks\":3,\"live_bytes\":290},"
                  "\"regions\":{\"count\":1,\"bytes\":700,"
                  "\"live_blocks\":2,\"live_bytes\":610}"))
      << json;
}

TEST(ExplainReportTest, GivenMemoryAddsUp) {
  Explanation made = Simple();
  made.given_bytes = 2000;
  made.given_free_bytes = 500;
  const std::string text = Written(made, WriteText);
  EXPECT_TRUE(Has(text,
                  "memory of its own\n"
                  "           1000  held\n"
                  "            500  free\n"
                  "             64  descriptors and records\n"
                  "            436  not used yet, or too small\n"
                  "           2000  given by the program\n"))
      << text;
  EXPECT_TRUE(Has(Written(made, WriteJson),
                  "\"given_bytes\":2000,\"given_free_bytes\":500,"
                  "\"given_unused_bytes\":436"));
}

TEST(ExplainReportTest, WastefulBlocksAndRunsAreListedAsLongAsThereAreSome) {
  Explanation made = Simple();
  const char* const place = reinterpret_cast<const char*>(0x10000);
  made.pins[0] = {place, 32, 7};
  made.sparse[0] = {place, 32768, 48, 1, 48};
  made.sparse[1] = {place + 32768, 65536, 0, 2, 96};
  const std::string text = Written(made, WriteText);
  EXPECT_TRUE(Has(text,
                  "blocks that pin the most pages: free but for them\n"
                  "  0x10000: 32 bytes pin 7 pages\n"
                  "slabs and regions with the most that is not live\n"
                  "  0x10000: slab of 48-byte objects, 1 live blocks, "
                  "48 of 32768 bytes\n"
                  "  0x18000: region, 2 live blocks, 96 of 65536 bytes\n"))
      << text;
  const std::string json = Written(made, WriteJson);
  EXPECT_TRUE(Has(json,
                  "\"pins\":[{\"address\":\"0x10000\",\"bytes\":32,"
                  "\"pages\":7}]"))
      << json;
  EXPECT_TRUE(Has(json,
                  "\"sparse\":[{\"address\":\"0x10000\",\"kind\":\"slab\","
                  "\"bytes\":32768,\"object_bytes\":48,\"live_blocks\":1,"
                  "\"live_bytes\":48},"
                  "{\"address\":\"0x18000\",\"kind\":\"region\","
                  "\"bytes\":65536,\"object_bytes\":0,\"live_blocks\":2,"
                  "\"live_bytes\":96}]"))
      << json;
}

}  // namespace
}  // namespace myonly::internal
