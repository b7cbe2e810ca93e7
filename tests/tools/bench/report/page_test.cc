#include "tools/bench/report/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/browser.h"
#include "tests/support/temp_directory.h"
#include "tests/tools/bench/report/sample_figures.h"

namespace myonly::bench {
namespace {

using ::myonly::testing::Between;
using ::myonly::testing::CountOf;
using ::myonly::testing::HaveBrowser;
using ::myonly::testing::kSampleCells;
using ::myonly::testing::kSampleCellsWithFigures;
using ::myonly::testing::OpenInBrowser;
using ::myonly::testing::SampleFigures;
using ::myonly::testing::TextsOf;

// The column of peak RSS among the figures of a row.
constexpr size_t kRssColumn = 2;

std::string Read(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

TEST(EscapeJsonForHtmlTest, LeavesNoTagAndTheSameMeaning) {
  EXPECT_EQ(EscapeJsonForHtml(R"({"a":"</script><!--"})"),
            R"({"a":"\u003c/script>\u003c!--"})");
  EXPECT_EQ(EscapeJsonForHtml(R"([1,"a\\b"])"), R"([1,"a\\b"])");
}

class PageTest : public ::testing::Test {
 protected:
  std::string page() const { return folder_.path() + "/page.html"; }

  // "" or why there can be no page here.
  std::string Write(const std::string& json) {
    std::string error;
    if (WriteReportPage(json, page(), &error)) return "";
    const bool absent = error.find("is not installed") != std::string::npos;
    EXPECT_TRUE(absent) << error;
    return error;
  }

  testing::TempDirectory folder_;
};

class PageInBrowserTest : public PageTest {
 protected:
  void SetUp() override {
    if (!HaveBrowser()) GTEST_SKIP() << "chromium is not installed";
    const std::string error = Write(SampleFigures());
    if (!error.empty()) GTEST_SKIP() << error;
  }

  // Runs `script` at the end of the page, as a reader's hand would.
  void Append(const std::string& script) {
    std::string html = Read(page());
    const size_t end = html.rfind("</body>");
    ASSERT_NE(end, std::string::npos);
    html.insert(end, "<script>" + script + "</script>");
    std::ofstream(page()) << html;
  }
};

std::string Errors(const std::string& document) {
  return Between(document, "<pre id=\"errors\" hidden=\"\">", "</pre>");
}

std::string Figure(const std::string& document, const std::string& id) {
  return Between(document, "<figure id=\"" + id + "\">", "</figure>");
}

std::string Head(const std::string& document) {
  const std::string table =
      Between(document, "<table id=\"figures\">", "</table>");
  return Between(table, "<thead>", "</thead>");
}

// Each row of the table of figures.
std::vector<std::string> Rows(const std::string& document) {
  const std::string table =
      Between(document, "<table id=\"figures\">", "</table>");
  std::vector<std::string> rows;
  std::string body = Between(table, "<tbody>", "</tbody>");
  for (size_t at = 0; (at = body.find("<tr", at)) != std::string::npos; ++at) {
    rows.push_back(body.substr(at, body.find("</tr>", at) - at));
  }
  return rows;
}

// The medians of peak RSS from top to bottom, and -1 where there is none.
std::vector<double> RssOfRows(const std::string& document) {
  std::vector<double> values;
  for (std::string row : Rows(document)) {
    // The quartiles are in <small> behind the median.
    for (size_t at; (at = row.find("<small>")) != std::string::npos;) {
      row.erase(at, row.find("</small>") + 8 - at);
    }
    const auto figures = TextsOf(row, "td class=\"number\"");
    values.push_back(figures.size() > kRssColumn
                         ? std::atof(figures[kRssColumn].c_str())
                         : -1);
  }
  return values;
}

// Sorted as far as there are figures, and behind them only cells without.
void ExpectSorted(std::vector<double> values, bool ascending) {
  ASSERT_EQ(values.size(), static_cast<size_t>(kSampleCells));
  const auto figures_end = values.begin() + kSampleCellsWithFigures;
  EXPECT_EQ(std::count(figures_end, values.end(), -1), 7);
  EXPECT_EQ(std::count(values.begin(), figures_end, -1), 0);
  if (!ascending) std::reverse(values.begin(), figures_end);
  EXPECT_TRUE(std::is_sorted(values.begin(), figures_end));
  EXPECT_LT(values.front(), *(figures_end - 1));
}

TEST_F(PageTest, AsksNothingOfTheNetwork) {
  const std::string error = Write(SampleFigures());
  if (!error.empty()) GTEST_SKIP() << error;
  const std::string html = Read(page());
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(html.find("<script src"), std::string::npos);
  EXPECT_EQ(html.find("<link"), std::string::npos);
  EXPECT_EQ(html.find("@{"), std::string::npos);
}

TEST_F(PageTest, FileThatCannotBeWrittenIsAnError) {
  const std::string reason = Write(SampleFigures());
  if (!reason.empty()) GTEST_SKIP() << reason;
  std::string error;
  EXPECT_FALSE(WriteReportPage("{}", folder_.path() + "/no/page", &error));
  EXPECT_NE(error.find("/no/page"), std::string::npos) << error;
}

TEST_F(PageInBrowserTest, DrawsAMarkForEachCellWithFigures) {
  const std::string document = OpenInBrowser(page());
  EXPECT_EQ(Errors(document), "");
  const std::string ratios = Figure(document, "ratios");
  EXPECT_EQ(CountOf(Between(ratios, "class=\"medians\"", "</g>"), "<path"),
            kSampleCellsWithFigures);
  EXPECT_EQ(CountOf(Between(ratios, "class=\"quartiles\"", "</g>"), "<line"),
            kSampleCellsWithFigures);
  const std::string tradeoff = Figure(document, "tradeoff");
  EXPECT_EQ(CountOf(Between(tradeoff, "class=\"workloads\"", "</g>"), "<path"),
            kSampleCellsWithFigures);
  EXPECT_EQ(CountOf(Between(tradeoff, "class=\"means\"", "</g>"), "<path"), 5);
}

TEST_F(PageInBrowserTest, SaysWhatFailedInWords) {
  const std::string document = OpenInBrowser(page());
  const std::string table =
      Between(document, "<table id=\"figures\">", "</table>");
  const std::string list = Between(document, "<ul id=\"missing\"", "</ul>");
  for (const char* words : {"crashed: SIGSEGV", "timed out after 60 s",
                            "skipped: sqlite3 is not installed"}) {
    EXPECT_NE(table.find(words), std::string::npos) << words;
    EXPECT_NE(list.find(words), std::string::npos) << words;
  }
  EXPECT_NE(list.find("larson with rpmalloc"), std::string::npos) << list;
}

TEST_F(PageInBrowserTest, ShowsSummaryMachineAndDetails) {
  const std::string document = OpenInBrowser(page());
  const std::string summary = Between(document, "<ul id=\"summary\">", "</ul>");
  EXPECT_EQ(CountOf(summary, "<li>"), 4);
  EXPECT_NE(summary.find("0.97 (3 % less)"), std::string::npos) << summary;
  EXPECT_NE(summary.find("1.25 (25 % more)"), std::string::npos) << summary;
  const std::string line = Between(document, "<p id=\"machine-line\">", "</p>");
  EXPECT_NE(line.find("A sample CPU, 2 cores"), std::string::npos) << line;
  EXPECT_NE(line.find("2026-11-23 15:00 UTC"), std::string::npos) << line;
  const std::string details =
      Between(document, "<section id=\"details\"", "</section>");
  EXPECT_NE(details.find("malloc p999 ns"), std::string::npos) << details;
  EXPECT_EQ(CountOf(details, ">1,234<"), 5) << details;
}

TEST_F(PageInBrowserTest, SortsByTheAddress) {
  ExpectSorted(RssOfRows(OpenInBrowser(page(), "sort=rss")), true);
  ExpectSorted(
      RssOfRows(OpenInBrowser(page(), "sort=rss&direction=descending")), false);
}

TEST_F(PageInBrowserTest, SortsByClicksAndSaysSo) {
  const std::string click =
      "document.querySelector('[data-column=rss]').click();";
  Append(click);
  std::string document = OpenInBrowser(page());
  ExpectSorted(RssOfRows(document), true);
  EXPECT_EQ(CountOf(Head(document), "aria-sort=\"ascending\""), 1);
  Append(click);
  document = OpenInBrowser(page());
  ExpectSorted(RssOfRows(document), false);
  EXPECT_EQ(CountOf(Head(document), "aria-sort=\"descending\""), 1);
  EXPECT_EQ(Errors(document), "");
}

TEST_F(PageInBrowserTest, FilterLeavesOneKindOfWorkload) {
  const std::string document =
      OpenInBrowser(page(), "kind=threads&measure=rss");
  EXPECT_EQ(Errors(document), "");
  EXPECT_EQ(Rows(document).size(), 15u);
  const std::string ratios = Figure(document, "ratios");
  EXPECT_NE(ratios.find("thread-churn"), std::string::npos);
  EXPECT_EQ(ratios.find("pairs"), std::string::npos);
  EXPECT_NE(ratios.find("Peak RSS"), std::string::npos);
}

TEST_F(PageInBrowserTest, NamesAreTextWhateverTheyHold) {
  ASSERT_EQ(Write(SampleFigures("</script><!--<i id=oops>@{d3}")), "");
  const std::string document = OpenInBrowser(page());
  EXPECT_EQ(Errors(document), "");
  EXPECT_EQ(document.find("<i id"), std::string::npos);
  const std::string name = "&lt;/script&gt;&lt;!--&lt;i id=oops&gt;@{d3}";
  EXPECT_EQ(
      CountOf(Between(document, "<table id=\"figures\">", "</table>"), name),
      5);
}

TEST_F(PageInBrowserTest, RunWithoutFiguresIsNoError) {
  ASSERT_EQ(Write(R"({"version":1,"machine":{},"options":{},"allocators":[],
                      "workloads":[],"cells":[],"summary":[]})"),
            "");
  const std::string document = OpenInBrowser(page());
  EXPECT_EQ(Errors(document), "");
  EXPECT_EQ(Figure(document, "ratios"), "Nothing to compare here.");
  EXPECT_EQ(Figure(document, "tradeoff"), "Nothing to compare here.");
}

TEST_F(PageInBrowserTest, TellsTheReaderOfAnError) {
  ASSERT_EQ(Write(R"({"version":2})"), "");
  const std::string document = OpenInBrowser(page());
  EXPECT_NE(Errors(document).find("figures of version 2, not 1"),
            std::string::npos);
  const std::string notice =
      Between(document, "<p id=\"broken\" role=\"alert\">", "</p>");
  EXPECT_NE(notice.find("version 2"), std::string::npos);
}

}  // namespace
}  // namespace myonly::bench
