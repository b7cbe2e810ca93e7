#include "allocator/base/printer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

TEST(PrinterTest, PutsTextNumbersAndAddressesTogether) {
  Printer printer;
  printer.Text("n=").Number(0).Text(" m=").Number(UINT64_MAX);
  printer.Text(" at ").Address(reinterpret_cast<const void*>(0xdeadbeef0));
  EXPECT_STREQ(printer.text(), "n=0 m=18446744073709551615 at 0xdeadbeef0");
  EXPECT_EQ(printer.length(), std::string(printer.text()).size());
}

TEST(PrinterTest, AddressesHaveNoNeedlessZeros) {
  const std::pair<uintptr_t, const char*> addresses[] = {
      {0, "0x0"},
      {0xf, "0xf"},
      {0x10, "0x10"},
      {0x100000000, "0x100000000"},
      {UINTPTR_MAX, "0xffffffffffffffff"},
  };
  for (const auto& [address, text] : addresses) {
    Printer printer;
    printer.Address(reinterpret_cast<const void*>(address));
    EXPECT_STREQ(printer.text(), text);
  }
}

TEST(PrinterTest, AnEmptyOneIsAnEmptyText) {
  const Printer printer;
  EXPECT_STREQ(printer.text(), "");
  EXPECT_EQ(printer.length(), 0U);
}

TEST(PrinterTest, CutsWhatIsTooLong) {
  Printer printer;
  for (int i = 0; i < 1000; ++i) printer.Text("0123456789");
  EXPECT_EQ(printer.length(), 511U);
  EXPECT_EQ(printer.text()[511], '\0');
}

TEST(PrinterTest, WhatAProgramMadeUpStaysInItsLine) {
  Printer line;
  line.Plain("a\nb\x1b[31m\x7f\xc3\xa4").Text(".");
  EXPECT_STREQ(line.text(), "a?b?[31m?\xc3\xa4.");
  const std::string text(600, 'x');
  Printer cut;
  cut.Plain(text.c_str()).Text(" is not an option");
  EXPECT_EQ(cut.text(), text.substr(0, 120) + " is not an option");
}

TEST(PrinterTest, WritesOneLineAndKeepsErrno) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Printer printer;
  printer.Text("a line\n");
  errno = 77;
  EXPECT_EQ(printer.WriteTo(ends[1]), 0);
  EXPECT_EQ(errno, 77);
  char text[32] = {};
  EXPECT_EQ(read(ends[0], text, sizeof(text)), 7);
  EXPECT_STREQ(text, "a line\n");
  close(ends[0]);
  close(ends[1]);
  errno = 77;
  EXPECT_EQ(printer.WriteTo(-1), -EBADF);
  EXPECT_EQ(errno, 77);
}

// A pipe of packets gives each write a read of its own.
TEST(PrinterTest, WritesItsLineAtOnce) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_DIRECT), 0);
  Printer printer;
  for (int i = 0; i < 50; ++i) printer.Text("123456789,");
  printer.Text("\n").WriteTo(ends[1]);
  char text[1024];
  EXPECT_EQ(read(ends[0], text, sizeof(text)), 501);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace myonly::internal
