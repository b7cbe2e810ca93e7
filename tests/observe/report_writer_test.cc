#include "allocator/observe/report_writer.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

void Append(void* ctx, const char* text, size_t length) {
  static_cast<std::vector<std::string>*>(ctx)->emplace_back(text, length);
}

template <typename Use>
std::string Written(Use use) {
  std::vector<std::string> pieces;
  {
    ReportWriter out(Append, &pieces);
    use(&out);
  }
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  return text;
}

std::string Quoted(const std::string& text) {
  return Written([&text](ReportWriter* out) { out->Quoted(text.c_str()); });
}

TEST(ReportWriterTest, WritesNothingForNothing) {
  std::vector<std::string> pieces;
  { const ReportWriter out(Append, &pieces); }
  EXPECT_TRUE(pieces.empty());
}

TEST(ReportWriterTest, WritesPiecesThatAreNeverEmptyNorLong) {
  for (size_t length : {1u, 1023u, 1024u, 1025u, 5000u}) {
    std::vector<std::string> pieces;
    const std::string text(length, 'x');
    {
      ReportWriter out(Append, &pieces);
      out.Text(text.c_str());
    }
    std::string all;
    for (const std::string& piece : pieces) {
      EXPECT_FALSE(piece.empty());
      EXPECT_LE(piece.size(), 1024u);
      all += piece;
    }
    EXPECT_EQ(all, text);
  }
}

TEST(ReportWriterTest, WritesNumbersInColumns) {
  EXPECT_EQ(Written([](ReportWriter* out) {
              out->Number(0).Text("|").Number(UINT64_MAX).Text("|");
              out->Number(42, 5).Text("|").Number(123456, 3);
            }),
            "0|18446744073709551615|   42|123456");
}

TEST(ReportWriterTest, WritesAddresses) {
  EXPECT_EQ(Written([](ReportWriter* out) {
              out->Address(0).Text(" ").Address(0x1000010).Text(" ");
              out->Address(UINTPTR_MAX);
            }),
            "0x0 0x1000010 0xffffffffffffffff");
}

TEST(ReportWriterTest, EscapesWhatEndsAString) {
  EXPECT_EQ(Quoted("plain"), "\"plain\"");
  EXPECT_EQ(Quoted("a\"b\\c\nd"), R"("a\"b\\c\nd")");
}

TEST(ReportWriterTest, KeepsWhatIsPrinted) {
  for (char c = ' '; c <= '~'; ++c) {
    const std::string text = {'a', c, 'z'};
    const bool is_escaped = c == '"' || c == '\\';
    EXPECT_EQ(Quoted(text),
              "\"a" + std::string(is_escaped ? "\\" : "") + c + "z\"");
  }
}

TEST(ReportWriterTest, KeepsUtf8AndNothingElse) {
  const std::string bad = "\xEF\xBF\xBD";
  for (const char* good :
       {"\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(Quoted(good), '"' + std::string(good) + '"');
  }
  // Each byte of what is not UTF-8 by itself: a byte that begins nothing, one
  // that is cut off, two that are longer than they need be, a surrogate, one
  // above all.
  for (const std::string text :
       {"\x80", "\xFF", "\xC3", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF",
        "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80",
        "\xE2\x82", "\x01", "\x1F", "\x7F", "\t"}) {
    std::string expected;
    for (size_t i = 0; i < text.size(); ++i) expected += bad;
    EXPECT_EQ(Quoted(text), '"' + expected + '"');
  }
  EXPECT_EQ(Quoted("a\xC3z"), "\"a" + bad + "z\"");
}

TEST(ReportWriterTest, FindsTheNextText) {
  const char texts[] = "one\0two\0";
  EXPECT_STREQ(NextText(texts), "two");
}

}  // namespace
}  // namespace myonly::internal
