// A strict reader of JSON for tests: what it does not take is not JSON, and the
// test fails.
#ifndef MYONLY_TESTS_SUPPORT_JSON_H_
#define MYONLY_TESTS_SUPPORT_JSON_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace myonly::testing {

struct Json {
  enum class Kind { kNone, kNull, kBoolean, kNumber, kText, kList, kObject };

  // Of one value with white space around it; kNone and a failure: it is not
  // one. Numbers must be whole and not negative, names unique.
  static Json Parse(const std::string& text);

  // A member; one of kind kNone and a failure if there is none.
  const Json& operator[](const std::string& name) const;
  bool Has(const std::string& name) const { return members.count(name) != 0; }

  Kind kind = Kind::kNone;
  bool boolean = false;
  uint64_t number = 0;
  std::string text;
  std::vector<Json> items;
  std::map<std::string, Json> members;
};

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_SUPPORT_JSON_H_
