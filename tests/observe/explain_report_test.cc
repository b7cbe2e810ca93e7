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

// Each part under its name, each kind, and both lists to their ends: all places
// of the lists are used, and no two numbers are the same.
Explanation Full() {
  Explanation made = Simple();
  made.limit_bytes = 5000;
  for (size_t i = 0; i < kNumParts; ++i) made.parts[i] = 10 + i;
  for (size_t i = 0; i < Explanation::kNumKinds; ++i) {
    made.holdings[i] = {40 + i, 50 + i, 60 + i, 70 + i};
  }
  const char* const place = reinterpret_cast<const char*>(0x10000);
  for (size_t i = 0; i < Explanation::kMostShown; ++i) {
    made.pins[i] = {place + 16 * i, 100 + i, 200 + i};
    made.sparse[i] = {place + 16 * i, 300 + i, i % 2 * 48, 400 + i, 500 + i};
  }
  return made;
}

TEST(ExplainReportTest, TheWholeTextOfAFullOne) {
  std::string expected =
      "arena \"simple\" 0x1230: 1000 bytes charged, limit 5000\n"
      "             10  live: usable bytes of live blocks, as much as was "
      "asked for or a bit more\n"
      "             11  rounding: ends of slabs and of large runs that no "
      "block has\n"
      "             12  headers: tags of live blocks\n"
      "             13  metadata: both ends of regions\n"
      "             14  thread_lists: free, kept by a thread for its next "
      "requests, or not posted yet\n"
      "             15  remote_queues: freed by another thread than the "
      "owner, on the way to it\n"
      "             16  free_objects: free objects in slabs\n"
      "             17  bins: free blocks, but for the whole pages in them\n"
      "             18  dirty: whole pages in free blocks, not purged\n"
      "             19  clean: whole pages in free blocks and slabs, purged\n"
      "             20  uncut: not cut into blocks or objects yet\n"
      "             21  unaccounted: moved meanwhile, or behind an overwritten "
      "header\n"
      "             22  children: charged by the arenas below it\n"
      "held as\n"
      "             50  slabs: 40, with 60 live blocks of 70 bytes\n"
      "             51  regions: 41, with 61 live blocks of 71 bytes\n"
      "             52  large: 42, with 62 live blocks of 72 bytes\n"
      "             53  huge: 43, with 63 live blocks of 73 bytes\n"
      "beside the charge\n"
      "             64  descriptors and records\n"
      "blocks that pin the most pages: free but for them\n";
  for (int i = 0; i < 10; ++i) {
    const std::string n = std::to_string(i);
    expected += "  0x100" + n + "0: 10" + n + " bytes pin 20" + n + " pages\n";
  }
  expected += "slabs and regions with the most that is not live\n";
  for (int i = 0; i < 10; ++i) {
    const std::string n = std::to_string(i);
    expected += "  0x100" + n +
                "0: " + (i % 2 == 0 ? "region" : "slab of 48-byte objects") +
                ", 40" + n + " live blocks, 50" + n + " of 30" + n + " bytes\n";
  }
  EXPECT_EQ(Written(Full(), WriteText), expected);
}

TEST(ExplainReportTest, TheWholeJsonOfAFullOne) {
  Explanation made = Full();
  // What it holds are the parts but for the children.
  EXPECT_EQ(made.held_bytes(), 186U);
  std::string expected =
      "{\"arena\":\"simple\",\"id\":\"0x1230\",\"charged_bytes\":1000,"
      "\"held_bytes\":186,\"limit_bytes\":5000,\"exact_bytes\":false,"
      "\"parts\":{\"live\":10,\"rounding\":11,\"headers\":12,"
      "\"metadata\":13,\"thread_lists\":14,\"remote_queues\":15,"
      "\"free_objects\":16,\"bins\":17,\"dirty\":18,\"clean\":19,"
      "\"uncut\":20,\"unaccounted\":21,\"children\":22},\"kinds\":{";
  const char* const kinds[] = {"slabs", "regions", "large", "huge"};
  for (int i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    expected += (i == 0 ? "\"" : ",\"") + std::string(kinds[i]) +
                "\":{\"count\":4" + n + ",\"bytes\":5" + n +
                ",\"live_blocks\":6" + n + ",\"live_bytes\":7" + n + "}";
  }
  expected += "},\"metadata_bytes\":64,\"pins\":[";
  for (int i = 0; i < 10; ++i) {
    const std::string n = std::to_string(i);
    expected += (i == 0 ? "" : ",") + std::string("{\"address\":\"0x100") + n +
                "0\",\"bytes\":10" + n + ",\"pages\":20" + n + "}";
  }
  expected += "],\"sparse\":[";
  for (int i = 0; i < 10; ++i) {
    const std::string n = std::to_string(i);
    expected += (i == 0 ? "" : ",") + std::string("{\"address\":\"0x100") + n +
                "0\",\"kind\":\"" + (i % 2 == 0 ? "region" : "slab") +
                "\",\"bytes\":30" + n +
                ",\"object_bytes\":" + (i % 2 == 0 ? "0" : "48") +
                ",\"live_blocks\":40" + n + ",\"live_bytes\":50" + n + "}";
  }
  expected += "]}\n";
  EXPECT_EQ(Written(made, WriteJson), expected);
}

}  // namespace
}  // namespace myonly::internal
