// What is asked of a program's functions, and what is not: no function, or one
// that refuses, makes a page source that gives less, never one that breaks.
#include "allocator/pages/given_page_source.h"

#include <cstddef>
#include <vector>

#include "allocator/base/sizes.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

using Access = PageSource::Access;

// The program, and who notes what it gives.
struct Program {
  alignas(kPageSize) char memory[2 * kPageSize] = {};
  std::vector<void*> noted;
  std::vector<void*> released;
  std::vector<void*> purged;
  size_t alignment = 0;
  int answer = 1;
  bool notes = true;

  PageFunctions Functions() {
    PageFunctions functions;
    functions.ctx = this;
    functions.reserve = [](void* ctx, size_t bytes, size_t alignment) -> void* {
      auto* program = static_cast<Program*>(ctx);
      program->alignment = alignment;
      return bytes <= sizeof(program->memory) ? program->memory : nullptr;
    };
    functions.purge = [](void* ctx, void* start, size_t) {
      static_cast<Program*>(ctx)->purged.push_back(start);
      return static_cast<Program*>(ctx)->answer;
    };
    functions.release = [](void* ctx, void* start, size_t) {
      static_cast<Program*>(ctx)->released.push_back(start);
      return static_cast<Program*>(ctx)->answer;
    };
    return functions;
  }
  static bool Note(void* noted_by, void* start, size_t /*bytes*/) {
    auto* program = static_cast<Program*>(noted_by);
    if (program->notes) program->noted.push_back(start);
    return program->notes;
  }
};

TEST(GivenPageSourceTest, HandsOutWhatTheProgramGivesAndTellsOfIt) {
  Program program;
  GivenPageSource pages(program.Functions(), Program::Note, &program);
  const size_t limit = pages.ReservationLimit();
  EXPECT_EQ(limit, size_t{2} << 20);
  void* start = pages.Reserve(kPageSize, 2 * kPageSize, Access::kReadWrite);
  EXPECT_EQ(program.alignment, 2 * kPageSize);
  EXPECT_EQ(start, program.memory);
  EXPECT_EQ(program.noted, std::vector<void*>{start});
  EXPECT_EQ(pages.ReservationLimit(), 2 * limit);
  EXPECT_TRUE(pages.Commit(start, kPageSize));
  EXPECT_TRUE(pages.Purge(start, kPageSize));
  EXPECT_EQ(program.purged, std::vector<void*>{start});
  EXPECT_TRUE(pages.Release(start, kPageSize));
  EXPECT_EQ(program.released, std::vector<void*>{start});
}

TEST(GivenPageSourceTest, WhatIsRefusedIsNotNoted) {
  Program program;
  GivenPageSource pages(program.Functions(), Program::Note, &program);
  const size_t limit = pages.ReservationLimit();
  EXPECT_EQ(pages.Reserve(3 * kPageSize, kPageSize, Access::kNone), nullptr);
  EXPECT_TRUE(program.noted.empty());
  EXPECT_TRUE(program.released.empty());
  EXPECT_EQ(pages.ReservationLimit(), limit);
}

TEST(GivenPageSourceTest, WhatCannotBeNotedGoesBack) {
  Program program;
  program.notes = false;
  GivenPageSource pages(program.Functions(), Program::Note, &program);
  const size_t limit = pages.ReservationLimit();
  EXPECT_EQ(pages.Reserve(kPageSize, kPageSize, Access::kReadWrite), nullptr);
  EXPECT_EQ(program.released, std::vector<void*>{program.memory});
  EXPECT_EQ(pages.ReservationLimit(), limit);
}

TEST(GivenPageSourceTest, WithoutFunctionsItOnlyCommits) {
  GivenPageSource pages;
  alignas(kPageSize) static char memory[kPageSize];
  EXPECT_EQ(pages.Reserve(kPageSize, kPageSize, Access::kReadWrite), nullptr);
  EXPECT_TRUE(pages.Commit(memory, kPageSize));
  EXPECT_FALSE(pages.Purge(memory, kPageSize));
  EXPECT_FALSE(pages.Release(memory, kPageSize));
}

// Any number but 0 says that it has been done.
TEST(GivenPageSourceTest, TheProgramsAnswerIsPassedOn) {
  Program program;
  GivenPageSource pages(program.Functions(), Program::Note, &program);
  for (const int answer : {1, 0, -1, 256}) {
    program.answer = answer;
    EXPECT_EQ(pages.Purge(program.memory, kPageSize), answer != 0);
    EXPECT_EQ(pages.Release(program.memory, kPageSize), answer != 0);
  }
}

// Its pages are where they are, and always usable.
TEST(GivenPageSourceTest, NeverMovesHidesOrGuards) {
  Program program;
  GivenPageSource pages(program.Functions(), Program::Note, &program);
  char* start = program.memory;
  EXPECT_FALSE(pages.Decommit(start, kPageSize));
  EXPECT_EQ(pages.Remap(start, kPageSize, 2 * kPageSize), nullptr);
  EXPECT_FALSE(pages.Move(start, kPageSize, start + kPageSize));
  EXPECT_FALSE(pages.PopulateHuge(start, kPageSize));
  EXPECT_FALSE(pages.Guard(start, kPageSize));
  EXPECT_FALSE(pages.Unguard(start, kPageSize));
}

}  // namespace
}  // namespace myonly::internal
