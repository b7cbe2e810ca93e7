#include "examples/tenant_server/words.h"

#include <algorithm>
#include <string_view>

namespace myonly::tenant_server {
namespace {

bool IsPartOfWord(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') ||
         static_cast<unsigned char>(letter) > 127;
}

bool IsMoreFrequent(const WordCount::Row& left, const WordCount::Row& right) {
  return left.second != right.second ? left.second > right.second
                                     : left.first < right.first;
}

}  // namespace

WordCount::WordCount(arena_ref arena)
    : counts_(decltype(counts_)::allocator_type(arena)) {}

void WordCount::Count(char* text, size_t size_bytes) {
  words_ = 0;
  counts_.clear();
  for (size_t i = 0; i < size_bytes; ++i) {
    if (text[i] >= 'A' && text[i] <= 'Z') {
      text[i] = static_cast<char>(text[i] - 'A' + 'a');
    }
  }
  for (size_t i = 0; i < size_bytes;) {
    const size_t start = i;
    while (i < size_bytes && IsPartOfWord(text[i])) ++i;
    if (i == start) {
      ++i;
      continue;
    }
    ++counts_[std::string_view(text + start, i - start)];
    ++words_;
  }
}

WordCount::Rows WordCount::Top(size_t most) const {
  Rows rows{Rows::allocator_type(counts_.get_allocator())};
  rows.assign(counts_.begin(), counts_.end());
  const size_t count = std::min(most, rows.size());
  std::partial_sort(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(count),
                    rows.end(), IsMoreFrequent);
  rows.resize(count);
  return rows;
}

}  // namespace myonly::tenant_server
