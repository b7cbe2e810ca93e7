// Reports as text, through whatever takes a string_view.
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capi/cpp/arena.h"
#include "capi/cpp/arena_ref.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

// Collects what is written.
class Text {
 public:
  auto Writer() {
    return [this](std::string_view piece) { text_ += piece; };
  }
  bool Has(const std::string& part) const {
    return text_.find(part) != std::string::npos;
  }
  const std::string& get() const { return text_; }

 private:
  std::string text_;
};

TEST(CppReportsTest, ExplainNamesTheParts) {
  arena arena("explained");
  ASSERT_NE(arena.allocate(100000), nullptr);
  Text text;
  EXPECT_EQ(arena.explain(text.Writer()), MYONLY_OK);
  EXPECT_TRUE(text.Has("explained")) << text.get();
  EXPECT_TRUE(text.Has("live")) << text.get();
  Text json;
  EXPECT_EQ(arena.explain_json(json.Writer()), MYONLY_OK);
  EXPECT_EQ(json.get().front(), '{');
  EXPECT_TRUE(json.Has("\"explained\"")) << json.get();
}

TEST(CppReportsTest, StatisticsComeInThreeFormats) {
  arena arena("counted");
  Text text;
  Text json;
  Text prometheus;
  EXPECT_EQ(arena.write_stats(format::text, text.Writer()), MYONLY_OK);
  EXPECT_EQ(arena.write_stats(format::json, json.Writer()), MYONLY_OK);
  EXPECT_EQ(arena.write_stats(format::prometheus, prometheus.Writer()),
            MYONLY_OK);
  EXPECT_TRUE(text.Has("counted")) << text.get();
  EXPECT_EQ(json.get().front(), '{');
  EXPECT_TRUE(prometheus.Has("myonly_arena_live_bytes{arena=\"counted\""))
      << prometheus.get();
}

TEST(CppReportsTest, AllArenasAreInTheWholesStatistics) {
  arena first("first of all");
  arena second("second of all");
  Text text;
  EXPECT_EQ(write_all_stats(format::prometheus, text.Writer()), MYONLY_OK);
  EXPECT_TRUE(text.Has("first of all") && text.Has("second of all"));
  Text heap;
  EXPECT_EQ(process_heap::explain(heap.Writer()), MYONLY_OK);
  EXPECT_TRUE(heap.Has("process")) << heap.get();
}

TEST(CppReportsTest, EachArenaIsVisited) {
  arena first;
  class arena second;
  std::vector<arena_ref> seen;
  EXPECT_EQ(for_each_arena([&seen](arena_ref arena) { seen.push_back(arena); }),
            MYONLY_OK);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), arena_ref(first)), 1);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), arena_ref(second)), 1);
  int visits = 0;
  for_each_arena([&visits](arena_ref) { return ++visits < 1; });
  EXPECT_EQ(visits, 1);
}

TEST(CppReportsTest, ExceptionsComeOut) {
  arena arena;
  int pieces = 0;
  const auto write = [&pieces](std::string_view) {
    ++pieces;
    throw std::runtime_error("the disk is full");
  };
  EXPECT_THROW(arena.explain(write), std::runtime_error);
  EXPECT_EQ(pieces, 1);
  EXPECT_THROW(for_each_arena([](arena_ref) { throw std::runtime_error(""); }),
               std::runtime_error);
}

TEST(CppReportsTest, AnArenaThatIsNotThereIsNotTheProcessHeap) {
  arena gone;
  const arena kept(std::move(gone));
  const auto fail = [](std::string_view) { FAIL(); };
  EXPECT_EQ(gone.explain(fail), MYONLY_ERR_INVALID);  // NOLINT: moved from
  EXPECT_EQ(gone.write_stats(format::text, fail), MYONLY_ERR_INVALID);
}

}  // namespace
}  // namespace myonly
