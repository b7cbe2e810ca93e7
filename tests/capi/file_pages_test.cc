// What an ordinary program has of the shared library in its memory: what few
// programs run, and what none but a debugger reads, must not be there.
#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/preset.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

constexpr char kLibraryName[] = "libmyonlymalloc.so";
// Of what the text of the library grows by with these, half is resident.
#if defined(__clang__) || __GNUC__ > 12
constexpr std::size_t kMaxResidentKib = 108;
#else
constexpr std::size_t kMaxResidentKib = 104;
#endif

struct Mapping {
  std::string access;  // As in "r-xp".
  std::size_t kib = 0;
  std::size_t resident_kib = 0;
};

// The library's, in the order of their addresses.
std::vector<Mapping> MappingsOfTheLibrary() {
  ChildOptions options;
  options.argv = {RunfilePath("tests/capi/file_pages_program")};
  options.environment = {
      {"LD_PRELOAD", RunfilePath(std::string("capi/") + kLibraryName)}};
  const ChildResult result = RunChild(options);
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  std::vector<Mapping> mappings;
  std::istringstream lines(result.out);
  bool is_ours = false;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, value;
    words >> name >> value;
    if (name.back() != ':') {
      is_ours = line.find(kLibraryName) != std::string::npos;
      if (is_ours) mappings.push_back({value});
    } else if (is_ours && name == "Size:") {
      mappings.back().kib = std::stoul(value);
    } else if (is_ours && name == "Rss:") {
      mappings.back().resident_kib = std::stoul(value);
    }
  }
  return mappings;
}

// Symbols, constants and what most programs run; the unwind tables; what few
// run; data.
TEST(FilePagesTest, OfAnOrdinaryProgramAreFew) {
  if (internal::kIsSecure || kIsDebug) {
    GTEST_SKIP() << "these run more of it";
  }
  const std::vector<Mapping> mappings = MappingsOfTheLibrary();
  ASSERT_GE(mappings.size(), 4u);
  EXPECT_EQ(mappings[0].access, "r-xp");
  EXPECT_GT(mappings[0].resident_kib, 0u);
  EXPECT_EQ(mappings[1].access, "r--p");
  EXPECT_EQ(mappings[1].resident_kib, 0u) << "unwind tables";
  EXPECT_EQ(mappings[2].access, "r-xp");
  EXPECT_GT(mappings[2].kib, 32u);
  EXPECT_EQ(mappings[2].resident_kib, 0u)
      << "most programs run a function that is rare in capi/layout.ld";
  std::size_t resident_kib = 0;
  for (const Mapping& mapping : mappings) resident_kib += mapping.resident_kib;
  RecordProperty("resident_kib", static_cast<int>(resident_kib));
#ifdef NDEBUG
  EXPECT_LE(resident_kib, kMaxResidentKib);
#endif
}

}  // namespace
}  // namespace myonly::testing
