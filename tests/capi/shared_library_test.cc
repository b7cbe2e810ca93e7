// What libmyonlymalloc.so shows to the loader and to programs.
#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "tests/capi/elf_image.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

// A quarter of it is unwind tables, without which no debugger and no profiler
// sees who called malloc.
// With a guard in front it is larger. The code of newer compilers is, too, by a
// part in a hundred.
#if defined(__clang__) || __GNUC__ > 12
constexpr size_t kMaxTextKiB = internal::kIsSecure ? 228 : 156;
#else
constexpr size_t kMaxTextKiB = internal::kIsSecure ? 224 : 154;
#endif
constexpr size_t kMaxTextBytes = kMaxTextKiB << 10;
constexpr size_t kMaxThreadBytes = internal::kIsSecure ? 704 : 648;

// Whether MYONLY_DCHECK is on, in the library, too.
#ifdef NDEBUG
constexpr bool kChecksItself = false;
#else
constexpr bool kChecksItself = true;
#endif

class SharedLibraryTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(library_.valid()); }

  const ElfImage library_{RunfilePath("capi/libmyonlymalloc.so")};
};

// Lines of a file without comments (#) and empty ones.
std::set<std::string> ReadNames(const std::string& path) {
  std::set<std::string> names;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') names.insert(line);
  }
  return names;
}

// Made by linkers, each in its own way.
bool IsOfTheLinker(const std::string& name) {
  static const std::set<std::string> kNames = {
      "__bss_start", "_edata", "_end", "_init", "_fini", "MYONLY_0"};
  return kNames.count(name) != 0;
}

// A new name belongs into the list, by hand: it is there for ever. A name that
// went is a break of every program that was linked against it.
TEST_F(SharedLibraryTest, ExportsTheGoldenSymbols) {
  const std::set<std::string> golden =
      ReadNames(RunfilePath("tests/capi/exported_symbols.txt"));
  ASSERT_FALSE(golden.empty());
  std::set<std::string> exported;
  const std::set<std::string> of_secure = {"prctl"};
  for (const DynamicSymbol& symbol : library_.Symbols()) {
    if (internal::kIsSecure && of_secure.count(symbol.name) != 0) continue;
    if (symbol.defined && !IsOfTheLinker(symbol.name)) {
      exported.insert(symbol.name);
    }
  }
  for (const std::string& name : golden) {
    EXPECT_EQ(exported.count(name), 1u) << name << " is gone";
  }
  for (const std::string& name : exported) {
    EXPECT_EQ(golden.count(name), 1u) << name << " is not in the list";
  }
}

// A function that allocates or frees, or is about what is allocated: libc's
// must not be called with a block of ours.
bool IsOfTheFamily(std::string name) {
  static const std::set<std::string> kNames = {
      "malloc",  "calloc",   "free",          "cfree",          "valloc",
      "pvalloc", "memalign", "aligned_alloc", "posix_memalign", "mallopt"};
  for (const std::string prefix : {"__libc_", "__"}) {
    if (name.rfind(prefix, 0) != 0) continue;
    name = name.substr(prefix.size());
    break;
  }
  const std::string hook = "_hook";  // a variable of old programs
  if (name.size() > hook.size() &&
      name.substr(name.size() - hook.size()) == hook) {
    return false;
  }
  for (const char* start : {"malloc_", "mallinfo", "realloc", "free_"}) {
    if (name.rfind(start, 0) == 0) return true;
  }
  return kNames.count(name) != 0;
}

// What a new libc has is a new name here, or a block of one heap comes to the
// other.
TEST_F(SharedLibraryTest, HasEachMallocFunctionOfLibc) {
  // They answer about libc's own heap, and take no block.
  std::set<std::string> ours = {"__libc_mallinfo", "__libc_mallopt"};
  for (const DynamicSymbol& symbol : library_.Symbols()) {
    if (symbol.defined) ours.insert(symbol.name);
  }
  Dl_info libc = {};
  ASSERT_NE(dladdr(reinterpret_cast<void*>(&puts), &libc), 0);
  const ElfImage image(libc.dli_fname);
  ASSERT_TRUE(image.valid()) << libc.dli_fname;
  size_t found = 0;
  for (const DynamicSymbol& symbol : image.Symbols()) {
    if (!symbol.defined || !IsOfTheFamily(symbol.name)) continue;
    ++found;
    EXPECT_EQ(ours.count(symbol.name), 1u) << symbol.name;
  }
  EXPECT_GE(found, 20u);
}

TEST_F(SharedLibraryTest, HasItsSoname) {
  EXPECT_EQ(library_.Texts(DT_SONAME),
            std::vector<std::string>{"libmyonlymalloc.so.0"});
}

TEST_F(SharedLibraryTest, NeedsLibcOnly) {
  for (const std::string& needed : library_.Texts(DT_NEEDED)) {
    EXPECT_TRUE(needed.rfind("libc.so.", 0) == 0 ||
                needed.rfind("ld-linux", 0) == 0)
        << needed;
  }
}

// Its own malloc must not be another's.
TEST_F(SharedLibraryTest, AsksNobodyElseForMemory) {
  const std::set<std::string> golden =
      ReadNames(RunfilePath("tests/capi/exported_symbols.txt"));
  for (const DynamicSymbol& symbol : library_.Symbols()) {
    if (symbol.defined) continue;
    EXPECT_EQ(golden.count(symbol.name), 0u) << symbol.name;
    EXPECT_NE(symbol.name.rfind("_Zn", 0), 0u) << symbol.name;
    EXPECT_NE(symbol.name.rfind("_Zd", 0), 0u) << symbol.name;
  }
}

// What is not libc's it takes if it is there, and only then.
TEST_F(SharedLibraryTest, ReachesTheCppRuntimeByWeakReferencesOnly) {
  for (const DynamicSymbol& symbol : library_.Symbols()) {
    const bool cpp = symbol.name.rfind("_Z", 0) == 0 ||
                     symbol.name.rfind("__cxa_", 0) == 0 ||
                     symbol.name.rfind("__gxx_", 0) == 0 ||
                     symbol.name.rfind("_Unwind_", 0) == 0;
    if (symbol.defined || !cpp) continue;
    EXPECT_TRUE(symbol.weak) << symbol.name;
  }
}

// What size(1) calls text, whatever segments the linker puts it in: all that is
// loaded and not written, which is code, unwind tables, constants and symbols.
TEST_F(SharedLibraryTest, IsSmall) {
  if (kChecksItself) GTEST_SKIP() << "our own checks are no part of a release";
  size_t text_bytes = 0;
  for (const Elf64_Shdr& section : library_.sections()) {
    if ((section.sh_flags & SHF_ALLOC) != 0 &&
        (section.sh_flags & SHF_WRITE) == 0) {
      text_bytes += section.sh_size;
    }
  }
  RecordProperty("text_bytes", static_cast<int>(text_bytes));
  EXPECT_GT(text_bytes, 0u);
  EXPECT_LE(text_bytes, kMaxTextBytes);
}

TEST_F(SharedLibraryTest, HasNoMemoryThatCanBeWrittenAndExecuted) {
  bool has_stack_segment = false;
  for (const Elf64_Phdr& segment : library_.segments()) {
    EXPECT_NE(segment.p_flags & (PF_W | PF_X), PF_W | PF_X) << segment.p_type;
    has_stack_segment |= segment.p_type == PT_GNU_STACK;
  }
  // Without it the loader makes every stack executable.
  EXPECT_TRUE(has_stack_segment);
  EXPECT_FALSE(library_.Has(DT_TEXTREL));
}

// Programs may dlopen it, and room for that in the threads' static block is
// scarce.
TEST_F(SharedLibraryTest, NeedsLittleThreadLocalMemory) {
  if (kChecksItself) GTEST_SKIP() << "locks that a thread holds are noted";
  for (const Elf64_Phdr& segment : library_.segments()) {
    if (segment.p_type == PT_TLS) {
      EXPECT_LE(segment.p_memsz, kMaxThreadBytes);
    }
  }
}

}  // namespace
}  // namespace myonly::testing
