#include "examples/tenant_server/store.h"

#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

namespace myonly::tenant_server {

Store::Store(arena_ref arena)
    : allocator_(arena),
      kept_(List::allocator_type(allocator_)),
      cache_(List::allocator_type(allocator_)),
      index_(Index::allocator_type(allocator_)) {}

ValuePtr Store::MakeValue(Body* body) {
  const std::string_view text = body->text();
  const auto value = std::allocate_shared<Value>(allocator_);
  char* block = body->MoveTo(allocator_.arena());
  if (block == nullptr) {
    block = allocator_.allocate(text.size());
    std::memcpy(block, text.data(), text.size());
  }
  value->Own(block, text.size());
  return value;
}

bool Store::Put(std::string_view key, ValuePtr value, Kind kind) {
  // Complete before anybody sees it; in the end it holds what was replaced,
  // and is freed without the lock.
  List fresh{List::allocator_type(allocator_)};
  fresh.push_front(Entry{Text(key, allocator_), std::move(value), kind});
  const List::iterator entry = fresh.begin();

  const std::lock_guard<std::mutex> lock(mutex_);
  const auto [place, is_new] = index_.try_emplace(entry->key, entry);
  const List::iterator old = place->second;
  List& list = ListOf(kind);
  counts_.value_bytes += entry->value->text().size();
  if (is_new) {
    list.splice(list.begin(), fresh);
    return true;
  }
  // The index names the key in the old entry: that one stays.
  counts_.value_bytes -= old->value->text().size();
  old->value.swap(entry->value);
  list.splice(list.begin(), ListOf(old->kind), old);
  old->kind = kind;
  return false;
}

ValuePtr Store::Get(std::string_view key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  List& list = ListOf(found->second->kind);
  list.splice(list.begin(), list, found->second);
  return found->second->value;
}

bool Store::Remove(std::string_view key) {
  List removed{List::allocator_type(allocator_)};  // freed without the lock
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return false;
  const List::iterator entry = found->second;
  index_.erase(found);
  counts_.value_bytes -= entry->value->text().size();
  removed.splice(removed.begin(), ListOf(entry->kind), entry);
  return true;
}

size_t Store::Evict(size_t bytes) {
  List removed{List::allocator_type(allocator_)};  // freed without the lock
  size_t gone = 0;
  const std::lock_guard<std::mutex> lock(mutex_);
  while (gone < bytes && !cache_.empty()) {
    const List::iterator last = std::prev(cache_.end());
    gone += last->size_bytes();
    index_.erase(last->key);
    counts_.value_bytes -= last->value->text().size();
    ++counts_.evicted_entries;
    removed.splice(removed.begin(), cache_, last);
  }
  counts_.evicted_bytes += gone;
  return gone;
}

void Store::Visit(
    std::string_view prefix, size_t most,
    const std::function<void(std::string_view, size_t, Kind)>& visit) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const List* list : {&kept_, &cache_}) {
    for (const Entry& entry : *list) {
      const std::string_view key = entry.key;
      if (key.substr(0, prefix.size()) != prefix) continue;
      if (most-- == 0) return;
      visit(key, entry.value->text().size(), entry.kind);
    }
  }
}

StoreCounts Store::Counts() {
  const std::lock_guard<std::mutex> lock(mutex_);
  counts_.kept_entries = kept_.size();
  counts_.cache_entries = cache_.size();
  return counts_;
}

}  // namespace myonly::tenant_server
