// Writes JSON into a text, of an arena or of the process heap.
//
//   Json json(&text);
//   json.Open('{').Name("bytes").Number(5).Name("keys").Open('[');
//   json.String("a").Close(']').Close('}');
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_JSON_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_JSON_H_

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace myonly::tenant_server {

// The first character of `text`, which isn't empty, as it is written between
// quotes. Bytes that are no UTF-8 become U+FFFD, one by one.
struct JsonCharacter {
  size_t taken_bytes;
  char written[8];
  size_t written_bytes;
};
JsonCharacter FirstJsonCharacter(std::string_view text);

template <typename Out>
class Json {
 public:
  explicit Json(Out* out) : out_(*out) {}

  Json& Open(char bracket) {
    Separate();
    out_ += bracket;
    needs_comma_ = false;
    return *this;
  }
  Json& Close(char bracket) {
    out_ += bracket;
    needs_comma_ = true;
    return *this;
  }
  Json& Name(std::string_view name) {
    String(name);
    out_ += ':';
    needs_comma_ = false;
    return *this;
  }
  Json& Number(uint64_t number) {
    char digits[24];
    Separate();
    const auto end = std::to_chars(digits, digits + sizeof(digits), number);
    out_.append(digits, static_cast<size_t>(end.ptr - digits));
    needs_comma_ = true;
    return *this;
  }
  Json& String(std::string_view text) {
    Separate();
    out_ += '"';
    while (!text.empty()) {
      const JsonCharacter character = FirstJsonCharacter(text);
      out_.append(character.written, character.written_bytes);
      text.remove_prefix(character.taken_bytes);
    }
    out_ += '"';
    needs_comma_ = true;
    return *this;
  }

 private:
  void Separate() {
    if (needs_comma_) out_ += ',';
  }

  Out& out_;
  bool needs_comma_ = false;
};

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_JSON_H_
