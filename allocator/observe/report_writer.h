// Text in pieces to a function of the program, without allocating. Not
// thread-safe: make one per report.
#ifndef MYONLY_ALLOCATOR_OBSERVE_REPORT_WRITER_H_
#define MYONLY_ALLOCATOR_OBSERVE_REPORT_WRITER_H_

#include <cstddef>
#include <cstdint>

namespace myonly::internal {

class ReportWriter {
 public:
  using Write = void (*)(void* ctx, const char* text, size_t length);

  ReportWriter(Write write, void* ctx) : write_(write), ctx_(ctx) {}
  // Writes what it still has.
  ~ReportWriter() { Flush(); }
  ReportWriter(const ReportWriter&) = delete;
  ReportWriter& operator=(const ReportWriter&) = delete;

  ReportWriter& Text(const char* text);
  // Decimal, to the right in a column of `width` characters.
  ReportWriter& Number(uint64_t number, size_t width = 0);
  ReportWriter& Address(uintptr_t address);  // 0x and hexadecimal
  // In double quotes, as strings of JSON and label values of Prometheus: with
  // the escapes that both have. What else neither allows, control characters
  // and bytes that are not UTF-8, becomes U+FFFD.
  ReportWriter& Quoted(const char* text);

 private:
  void Put(char c) {
    if (length_ == sizeof(text_)) Flush();
    text_[length_++] = c;
  }
  void Flush();

  const Write write_;
  void* const ctx_;
  size_t length_ = 0;
  char text_[1024];
};

// Text after text in one array of characters, which needs no table of
// addresses: the next one.
inline const char* NextText(const char* text) {
  while (*text++ != '\0') {
  }
  return text;
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_OBSERVE_REPORT_WRITER_H_
