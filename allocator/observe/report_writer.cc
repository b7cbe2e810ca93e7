#include "allocator/observe/report_writer.h"

namespace myonly::internal {
namespace {

// Bytes of the character of UTF-8 that begins at `text`; 0: none does. The text
// ends with a 0.
size_t CharacterBytes(const unsigned char* text) {
  static constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  const unsigned char first = text[0];
  if (first < 0x80) return 1;
  const size_t more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
  if (first < 0xC0 || first > 0xF4) return 0;
  uint32_t code = first & (0x3FU >> more);
  for (size_t i = 1; i <= more; ++i) {
    if ((text[i] & 0xC0) != 0x80) return 0;
    code = code << 6 | (text[i] & 0x3FU);
  }
  const bool is_surrogate = code >> 11 == 0x1B;
  return code < kLeast[more] || code > 0x10FFFF || is_surrogate ? 0 : more + 1;
}

}  // namespace

void ReportWriter::Flush() {
  if (length_ != 0) write_(ctx_, text_, length_);
  length_ = 0;
}

ReportWriter& ReportWriter::Text(const char* text) {
  while (*text != '\0') Put(*text++);
  return *this;
}

ReportWriter& ReportWriter::Number(uint64_t number, size_t width) {
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  for (size_t i = count; i < width; ++i) Put(' ');
  while (count != 0) Put(digits[--count]);
  return *this;
}

ReportWriter& ReportWriter::Address(uintptr_t address) {
  Text("0x");
  int shift = 60;
  while (shift > 0 && (address >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) Put("0123456789abcdef"[address >> shift & 15]);
  return *this;
}

ReportWriter& ReportWriter::Quoted(const char* text) {
  Put('"');
  while (*text != '\0') {
    const char c = *text;
    size_t bytes = CharacterBytes(reinterpret_cast<const unsigned char*>(text));
    if (c == '\n') {
      Text("\\n");
    } else if (bytes == 0 || (bytes == 1 && (c < ' ' || c == 0x7F))) {
      Text("\xEF\xBF\xBD");
      bytes = 1;
    } else {
      if (c == '"' || c == '\\') Put('\\');
      for (size_t i = 0; i < bytes; ++i) Put(text[i]);
    }
    text += bytes;
  }
  Put('"');
  return *this;
}

}  // namespace myonly::internal
