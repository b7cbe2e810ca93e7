// The page of the tenant server, in a browser. Skipped where there is none.

#include "examples/tenant_server/page.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <cstdlib>
#include <string>

#include "examples/tenant_server/load/server_process.h"
#include "tests/support/browser.h"
#include "tests/support/runfiles.h"

namespace myonly::tenant_server {
namespace {

using ::myonly::testing::Between;
using ::myonly::testing::HaveBrowser;
using ::myonly::testing::OpenUrlInBrowser;
using ::myonly::testing::RunfilePath;
using ::myonly::testing::TextsOf;

// The page needs nothing of any other place, and no build step of its own.
TEST(PageTextTest, AsksNothingOfTheNetwork) {
  const std::string html(PageText());
  EXPECT_EQ(html.find("<!doctype html>"), 0U);
  EXPECT_EQ(html.find("<script src"), std::string::npos);
  EXPECT_EQ(html.find("https://"), std::string::npos);
  EXPECT_EQ(html.find("innerHTML"), std::string::npos);
}

class PageInBrowserTest : public ::testing::Test {
 protected:
  // One browser for all tests: it takes seconds to start.
  static void SetUpTestSuite() {
    if (!HaveBrowser()) return;
    const ServerProcess server(
        RunfilePath("examples/tenant_server/tenant_server"),
        {"--tenant-limit-mb=4"});
    ASSERT_NE(server.port(), 0);
    httplib::Client client("127.0.0.1", server.port());
    const auto put = [&client](const std::string& key, size_t bytes) {
      client.Put("/tenants/" + key, std::string(bytes, 'x'), "text/plain");
    };
    // "half" has half of its limit in one value; "full" is refused once.
    put("half/keys/0", 2 << 20);
    for (int i = 0; i < 5; ++i) put("full/keys/" + std::to_string(i), 1 << 20);
    document_ = OpenUrlInBrowser(server.url() + "/");
  }

  void SetUp() override {
    if (!HaveBrowser()) GTEST_SKIP() << "chromium is not installed";
  }

  static std::string Row(const std::string& id) {
    return Between(document_, "<tr id=\"arena-" + id + "\">", "</tr>");
  }
  // What a part of the row's bar has as its width, in per cent.
  static double Width(const std::string& row, const std::string& part) {
    const std::string style =
        Between(row, "<div class=\"" + part + "\" style=\"", "\"");
    return std::atof(Between(style + ";", "width: ", "%").c_str());
  }

  static std::string document_;
};

std::string PageInBrowserTest::document_;

TEST_F(PageInBrowserTest, DrawsABarForEachArena) {
  const std::string half = Row("tenant-half");
  EXPECT_NEAR(Width(half, "live"), 50, 2);
  EXPECT_LT(Width(half, "cached"), 10);
  EXPECT_NE(half.find("left: 75%"), std::string::npos) << half;
  const std::string full = Row("tenant-full");
  EXPECT_GT(Width(full, "live"), 74);
  EXPECT_NE(full.find("MiB live"), std::string::npos) << full;
  EXPECT_GT(Width(Row("service"), "live"), 0.5);
  EXPECT_GT(Width(Row("process-heap"), "live"), 0);
}

TEST_F(PageInBrowserTest, SaysTheFiguresInWords) {
  const std::string full = Row("tenant-full");
  const auto cells = TextsOf(full, "td");
  ASSERT_EQ(cells.size(), 10U) << full;
  EXPECT_EQ(cells[0], "full");
  EXPECT_EQ(cells[4], "4.0 MiB");
  EXPECT_EQ(cells[8], "5");
  EXPECT_EQ(full.find("data-some") != std::string::npos, cells[9] != "0");
  EXPECT_NE(cells[9], "0");
  EXPECT_NE(full.find("href=\"/tenants/full/explain\""), std::string::npos);
  EXPECT_EQ(TextsOf(document_, "dd").back(), "2");
}

TEST_F(PageInBrowserTest, IsRefreshedWithoutAnError) {
  const std::string refreshes = Between(document_, "data-refreshes=\"", "\"");
  EXPECT_GE(std::atoi(refreshes.c_str()), 2);
  EXPECT_EQ(document_.find("data-broken"),
            document_.find("data-broken]"));  // in the style sheet only
  EXPECT_NE(document_.find("live, refreshed each second"), std::string::npos);
}

}  // namespace
}  // namespace myonly::tenant_server
