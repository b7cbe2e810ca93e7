#include "examples/tenant_server/json.h"

#include <cstdio>
#include <cstring>
#include <string_view>

namespace myonly::tenant_server {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// The length of the UTF-8 sequence that `text` begins with; 0 if it is none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [text](size_t i) -> unsigned {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Longer than needed, half of a pair, or beyond Unicode.
  const unsigned second = byte(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) {
    return 0;
  }
  return length;
}

}  // namespace

JsonCharacter FirstJsonCharacter(std::string_view text) {
  JsonCharacter character = {SequenceLength(text), {}, 0};
  const char first = text[0];
  std::string_view written = text.substr(0, character.taken_bytes);
  char escaped[8];
  if (character.taken_bytes == 0) {
    character.taken_bytes = 1;
    written = kReplacement;
  } else if (first == '"' || first == '\\') {
    std::snprintf(escaped, sizeof(escaped), "\\%c", first);
    written = escaped;
  } else if (character.taken_bytes == 1 && (first < 0x20 || first == 0x7f)) {
    std::snprintf(escaped, sizeof(escaped), "\\u%04x",
                  static_cast<unsigned>(first));
    written = escaped;
  }
  std::memcpy(character.written, written.data(), written.size());
  character.written_bytes = written.size();
  return character;
}

}  // namespace myonly::tenant_server
