#include "allocator/base/printer.h"

#include "allocator/base/system_call.h"

namespace myonly::internal {

Printer& Printer::Text(const char* text) {
  while (*text != '\0') Put(*text++);
  return *this;
}

Printer& Printer::Plain(const char* text) {
  for (size_t i = 0; i < kMostPlain && text[i] != '\0'; ++i) {
    const char c = text[i];
    Put(static_cast<unsigned char>(c) < ' ' || c == 0x7F ? '?' : c);
  }
  return *this;
}

Printer& Printer::Number(uint64_t number) {
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  while (count != 0) Put(digits[--count]);
  return *this;
}

Printer& Printer::Address(const void* address) {
  Text("0x");
  const auto bits = reinterpret_cast<uintptr_t>(address);
  int shift = 60;
  while (shift > 0 && (bits >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) Put("0123456789abcdef"[(bits >> shift) & 15]);
  return *this;
}

long Printer::WriteTo(int fd) const {
  size_t done = 0;
  do {
    const long written = SystemCall(
        SystemCallNumber::kWrite, static_cast<unsigned long>(fd),
        reinterpret_cast<unsigned long>(text_ + done), length_ - done);
    if (written <= 0) return written;
    done += static_cast<size_t>(written);
  } while (done < length_);
  return 0;
}

void Printer::Put(char c) {
  if (length_ < kCapacity) text_[length_++] = c;
}

}  // namespace myonly::internal
