#include "allocator/blocks/block_reader.h"

#include "allocator/base/sizes.h"
#include "allocator/base/system_call.h"

namespace myonly::internal {
namespace {

// So often it begins again in one region; the later ones let others run.
constexpr int kMostAttempts = 200;
constexpr int kQuickAttempts = 20;

}  // namespace

BlockReader::BlockReader(char* start, size_t bytes, uint64_t key,
                         const char* from)
    : start_(start), limit_(start + bytes), key_(key), from_(from) {}

// False: there are no blocks yet.
bool BlockReader::Begin() {
  block_ = reinterpret_cast<Block*>(start_ + Block::kTagBytes);
  word_ = block_->Peek();
  return IsSealed(block_, word_);
}

// False: not a block's tag, or this block has been swallowed.
bool BlockReader::Step() {
  const size_t bytes = Block::SizeIn(word_);
  Block* next = block_->Next(bytes);
  if (reinterpret_cast<char*>(next) + kTag > limit_) return false;
  const uint64_t next_word = next->Peek();
  const uint64_t word = block_->Peek();
  if (!IsSealed(next, next_word) || !IsSealed(block_, word) ||
      Block::SizeIn(word) != bytes) {
    return false;
  }
  block_ = next;
  word_ = next_word;
  return true;
}

bool BlockReader::Next() {
  if (is_damaged_) return false;
  for (int attempt = 0; attempt < kMostAttempts;) {
    if (block_ == nullptr ? !Begin() : !Step()) {
      // A region without a first block is being made, or given back.
      if (block_ == reinterpret_cast<Block*>(start_ + kTag) &&
          !IsSealed(block_, word_)) {
        return false;
      }
      if (++attempt > kQuickAttempts) {
        SystemCall(SystemCallNumber::kSchedYield);
      }
      block_ = nullptr;
      continue;
    }
    tag_ = Block::Unpack(word_);
    if (tag_.size == 0) return false;
    if (payload() < from_) continue;
    from_ = payload() + tag_.size;
    return true;
  }
  is_damaged_ = true;
  return false;
}

size_t BlockReader::purged_bytes() const {
  if (tag_.used || !tag_.purged) return 0;
  const auto first = reinterpret_cast<uintptr_t>(block_) + sizeof(Block);
  const auto end = reinterpret_cast<uintptr_t>(block_) + tag_.size;
  const uintptr_t start = AlignUp(first, kPageSize);
  return Max(start, AlignDown(end, kPageSize)) - start;
}

}  // namespace myonly::internal
