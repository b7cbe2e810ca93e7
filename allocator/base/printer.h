// Text in a fixed buffer, for lines that must be printed without allocating:
// what does not fit is cut. Not thread-safe: make one per line.
#ifndef MYONLY_ALLOCATOR_BASE_PRINTER_H_
#define MYONLY_ALLOCATOR_BASE_PRINTER_H_

#include <cstddef>
#include <cstdint>

namespace myonly::internal {

class Printer {
 public:
  Printer& Text(const char* text);
  // What a program or its environment has made up, so that the line stays one:
  // kMostPlain bytes of it, '?' for what controls a terminal.
  Printer& Plain(const char* text);
  Printer& Number(uint64_t number);       // decimal
  Printer& Address(const void* address);  // 0x and hexadecimal
  // Writes what was collected to a file descriptor in one system call, so that
  // lines of several processes do not mix; what that leaves in another one, as
  // a full disk tells its error only then. Keeps errno. 0, or the error,
  // negative.
  long WriteTo(int fd) const;

  const char* text() const { return text_; }
  size_t length() const { return length_; }

 private:
  void Put(char c);

  static constexpr size_t kCapacity = 511;
  static constexpr size_t kMostPlain = 120;
  char text_[kCapacity + 1] = {};
  size_t length_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_PRINTER_H_
