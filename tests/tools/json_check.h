// Is a text one well-formed JSON value? Just enough for the runner's report.
#ifndef MYONLY_TESTS_TOOLS_JSON_CHECK_H_
#define MYONLY_TESTS_TOOLS_JSON_CHECK_H_

#include <cstddef>
#include <cstdlib>
#include <string>

namespace myonly::testing {

class JsonCheck {
 public:
  static bool IsJson(const std::string& text) {
    JsonCheck check(text);
    return check.Value() && check.Peek() == '\0' &&
           check.position_ == text.size();
  }

 private:
  explicit JsonCheck(const std::string& text) : text_(text) {}

  // The next character that isn't white; 0 at the end.
  char Peek() {
    position_ = text_.find_first_not_of(" \n\t\r", position_);
    if (position_ == std::string::npos) position_ = text_.size();
    return text_.c_str()[position_];
  }
  bool Take(char c) {
    if (Peek() != c) return false;
    ++position_;
    return true;
  }

  bool Value() {
    switch (Peek()) {
      case '{':
        return List('{', '}', true);
      case '[':
        return List('[', ']', false);
      case '"':
        return String();
      case 'n':
        return Word("null");
      default:
        return Number();
    }
  }

  bool List(char open, char close, bool named) {
    if (!Take(open)) return false;
    if (Take(close)) return true;
    do {
      if (named && !(String() && Take(':'))) return false;
      if (!Value()) return false;
    } while (Take(','));
    return Take(close);
  }

  bool String() {
    if (!Take('"')) return false;
    while (position_ < text_.size() && text_[position_] != '"') {
      if (static_cast<unsigned char>(text_[position_]) < 0x20) return false;
      position_ += text_[position_] == '\\' ? 2 : 1;
    }
    return position_ < text_.size() && text_[position_++] == '"';
  }

  bool Word(const std::string& word) {
    if (text_.compare(position_, word.size(), word) != 0) return false;
    position_ += word.size();
    return true;
  }

  bool Number() {
    char* end = nullptr;
    const char* start = text_.c_str() + position_;
    std::strtod(start, &end);
    position_ += static_cast<size_t>(end - start);
    return end != start;
  }

  const std::string& text_;
  size_t position_ = 0;
};

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_TOOLS_JSON_CHECK_H_
