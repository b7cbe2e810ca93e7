#include "tests/support/json.h"

#include <cctype>

#include "gtest/gtest.h"

namespace myonly::testing {
namespace {

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  bool Whole(Json* out) {
    return Value(out) && Peek() == '\0' && position_ == text_.size();
  }
  size_t position() const { return position_; }

 private:
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
  bool Word(const char* word, Json::Kind kind, Json* out) {
    const std::string expected = word;
    if (text_.compare(position_, expected.size(), expected) != 0) return false;
    position_ += expected.size();
    out->kind = kind;
    return true;
  }

  bool Value(Json* out) {
    switch (Peek()) {
      case '{':
        return Object(out);
      case '[':
        return List(out);
      case '"':
        out->kind = Json::Kind::kText;
        return String(&out->text);
      case 'n':
        return Word("null", Json::Kind::kNull, out);
      case 't':
        out->boolean = true;
        return Word("true", Json::Kind::kBoolean, out);
      case 'f':
        return Word("false", Json::Kind::kBoolean, out);
      default:
        return Number(out);
    }
  }

  bool Object(Json* out) {
    out->kind = Json::Kind::kObject;
    if (!Take('{')) return false;
    if (Take('}')) return true;
    do {
      std::string name;
      Json value;
      if (Peek() != '"' || !String(&name) || !Take(':') || !Value(&value) ||
          !out->members.emplace(name, value).second) {
        return false;
      }
    } while (Take(','));
    return Take('}');
  }

  bool List(Json* out) {
    out->kind = Json::Kind::kList;
    if (!Take('[')) return false;
    if (Take(']')) return true;
    do {
      out->items.emplace_back();
      if (!Value(&out->items.back())) return false;
    } while (Take(','));
    return Take(']');
  }

  bool String(std::string* out) {
    for (++position_; position_ < text_.size(); ++position_) {
      char c = text_[position_];
      if (c == '"') {
        ++position_;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\') {
        const std::string from = "\"\\/bfnrt";
        const std::string to = "\"\\/\b\f\n\r\t";
        const size_t found = from.find(text_.c_str()[++position_]);
        if (found == std::string::npos) return false;
        c = to[found];
      }
      *out += c;
    }
    return false;
  }

  bool Number(Json* out) {
    out->kind = Json::Kind::kNumber;
    const size_t start = position_;
    while (isdigit(static_cast<unsigned char>(text_.c_str()[position_]))) {
      out->number = out->number * 10 +
                    static_cast<uint64_t>(text_.c_str()[position_++] - '0');
    }
    const size_t digits = position_ - start;
    return digits == 1 || (digits > 1 && text_[start] != '0');
  }

  const std::string& text_;
  size_t position_ = 0;
};

}  // namespace

Json Json::Parse(const std::string& text) {
  Json all;
  Reader reader(text);
  if (reader.Whole(&all)) return all;
  ADD_FAILURE() << "not JSON at " << reader.position() << ": " << text;
  return Json();
}

const Json& Json::operator[](const std::string& name) const {
  static const Json none;
  const auto found = members.find(name);
  if (found != members.end()) return found->second;
  ADD_FAILURE() << "no member " << name;
  return none;
}

}  // namespace myonly::testing
