#include "allocator/blocks/bin_manager.h"

#include "allocator/base/sizes.h"

namespace myonly::internal {
namespace {

// How many blocks of a bin that may be too small are looked at before a larger
// bin is taken.
constexpr int kMaxProbes = 4;

}  // namespace

void BinManager::AddRegion(void* start, size_t bytes) {
  Block* first = FirstBlock(start);
  const size_t size = bytes - kRegionOverhead;
  first->Next(size)->Write(key_, {0, size, true, true, false});
  first->Publish(key_, {size, 0, false, false, false});
  Insert(first, size);
  NoteRegion(start, bytes);
}

void BinManager::NoteRegion(const void* start, size_t bytes) {
  const auto first = reinterpret_cast<uintptr_t>(start);
  const uintptr_t end = Max(low_ + span_, first + bytes);
  if (span_ == 0 || first < low_) low_ = first;
  span_ = end - low_;
}

// The sentinel becomes a used block, which is then freed.
void BinManager::ExtendRegion(void* end, size_t bytes) {
  Block* added = static_cast<Block*>(
      static_cast<void*>(static_cast<char*>(end) - Block::kTagBytes));
  BoundaryTag tag = Block::Unpack(CheckedWord(added));
  tag.size = bytes;
  tag.quick = true;  // it never looks alive
  NoteRegion(end, bytes);
  added->Next(bytes)->Write(key_, {0, bytes, true, false, false});
  added->Publish(key_, tag);
  FreeAndCoalesce(added);
}

void BinManager::Reset() {
  const uint64_t key = key_;
  *this = BinManager();
  key_ = key;
}

Block* BinManager::TakeFromBins(size_t bytes) {
  const size_t exact = BinIndex(bytes);
  if (ABSL_PREDICT_FALSE(bytes > victim_bytes_ || bins_with_.Test(exact))) {
    Block* block = FindInBins(bytes, exact);
    if (block == nullptr) return nullptr;
    if (block != victim_) {
      // It is cut as the victim, and the larger rest stays that.
      Block* victim = victim_;
      const size_t victim_bytes = victim_bytes_;
      const size_t total = block->size();
      Remove(block, total);
      victim_ = block;
      victim_bytes_ = total;
      CutVictim(bytes);
      if (victim != nullptr) OfferVictim(victim, victim_bytes);
      return block;
    }
  }
  return CutVictim(bytes);
}

// The first few blocks of the bin that `bytes` belongs to may be too small; any
// block of a larger bin fits.
Block* BinManager::FindInBins(size_t bytes, size_t exact) {
  Block* block = bins_[exact];
  for (int probes = 0; block != nullptr && probes < kMaxProbes; ++probes) {
    if (Block::SizeIn(CheckedWord(block)) >= bytes) return block;
    Block* next = block->next_free();
    if (ABSL_PREDICT_FALSE(next != nullptr && !IsInside(next))) {
      ReportOverwritten(block);
    }
    block = next;
  }
  if (bytes <= victim_bytes_) return victim_;
  const size_t index = bins_with_.FindNext(exact + 1);
  if (index == kNumBins) return nullptr;
  CheckSealed(bins_[index]);
  return bins_[index];
}

Block* BinManager::CutVictim(size_t bytes) {
  Block* block = victim_;
  const size_t previous_size = Block::PreviousSizeIn(CheckedWord(block));
  block->ClearFirstWord();
  const size_t total = victim_bytes_;
  Block* next = block->Next(total);
  const uint64_t next_word = CheckedWord(next);
  const size_t rest = total - bytes;
  if (ABSL_PREDICT_FALSE(rest < Block::kMinBytes)) {
    victim_ = nullptr;
    victim_bytes_ = 0;
    block->Write(key_, {total, previous_size, true, false, false});
    next->WritePrevious(key_, next_word, total, false);
    return block;
  }
  Block* tail = block->Next(bytes);
  victim_ = tail;
  victim_bytes_ = rest;
  tail->Write(key_, {rest, bytes, false, false, false});
  next->WritePrevious(key_, next_word, rest, true);
  block->Publish(key_, {bytes, previous_size, true, false, false});
  return block;
}

void BinManager::OfferVictim(Block* rest, size_t bytes) {
  if (bytes <= victim_bytes_) return Insert(rest, bytes);
  if (victim_ != nullptr) Insert(victim_, victim_bytes_);
  victim_ = rest;
  victim_bytes_ = bytes;
}

// A free block's neighbours are used, so only the next one's tag changes.
void BinManager::MakeFree(Block* block, size_t bytes, size_t previous_size) {
  block->Publish(key_, {bytes, previous_size, false, false, false});
  Block* next = block->Next(bytes);
  next->WritePrevious(key_, CheckedWord(next), bytes, true);
  Insert(block, bytes);
}

Block* BinManager::AllocateAligned(size_t bytes, size_t alignment) {
  if (alignment <= kMinAlignment) return Allocate(bytes);
  bytes = RoundToQuick(bytes);
  Block* block = TakeFromBins(bytes + alignment + Block::kMinBytes);
  if (block == nullptr) return nullptr;
  const auto payload = reinterpret_cast<uintptr_t>(block->payload());
  size_t lead = AlignUp(payload, alignment) - payload;
  if (lead != 0) {
    while (lead < Block::kMinBytes) lead += alignment;
    const BoundaryTag tag = block->Read();
    Block* aligned = block->At(lead);
    aligned->Write(key_, {tag.size - lead, lead, true, false, false});
    Block* next = aligned->Next(tag.size - lead);
    next->WritePrevious(key_, CheckedWord(next), tag.size - lead, false);
    // The leading part: its own previous block is used, or TakeFromBins would
    // have found it coalesced.
    MakeFree(block, lead, tag.previous_size);
    block = aligned;
    block->ClearFirstWord();
  }
  SplitOff(block, bytes);
  return block;
}

// Leaves the block alone when the end is too small to be a block.
void BinManager::SplitOff(Block* block, size_t bytes) {
  BoundaryTag tag = block->Read();
  const size_t rest = tag.size - bytes;
  if (rest < Block::kMinBytes) return;
  Block* tail = block->Next(bytes);
  Block* next = block->Next(tag.size);
  CheckSealed(next);
  const BoundaryTag next_tag = next->Read();
  size_t tail_bytes = rest;
  if (!next_tag.used) {
    Remove(next, next_tag.size);
    tail_bytes += next_tag.size;
  }
  MakeFree(tail, tail_bytes, bytes);
  tag.size = bytes;
  block->Publish(key_, tag);
  if (!next_tag.used) next->BreakSeal();
}

// `word` is the block's tag, already checked and not quick.
Block* BinManager::Coalesce(Block* block, uint64_t word) {
  size_t bytes = Block::SizeIn(word);
  size_t previous_size = Block::PreviousSizeIn(word);
  // A neighbour in a bin, whose place the result may take.
  Block* binned = nullptr;
  size_t binned_bytes = 0;
  Block* next = block->Next(bytes);
  uint64_t next_word = CheckedWord(next);
  Block* joined = nullptr;
  if (!Block::IsUsed(next_word)) {
    joined = next;
    binned = next;
    binned_bytes = Block::SizeIn(next_word);
    bytes += binned_bytes;
    next = block->Next(bytes);
    next_word = CheckedWord(next);
  }
  Block* swallowed = nullptr;
  if (Block::IsPreviousFree(word)) {
    if (binned != nullptr) Remove(binned, binned_bytes);
    swallowed = block;
    block = block->Previous(previous_size);
    const uint64_t previous_word = CheckedWord(block);
    binned = block;
    binned_bytes = Block::SizeIn(previous_word);
    // An older tag of the one that is freed has a good seal, too.
    if (ABSL_PREDICT_FALSE(Block::IsUsed(previous_word) ||
                           binned_bytes != previous_size)) {
      ReportHeader(swallowed);
    }
    previous_size = Block::PreviousSizeIn(previous_word);
    bytes += binned_bytes;
  }
  if (binned != nullptr) {
    Replace(binned, binned_bytes, block, bytes);
  } else {
    Insert(block, bytes);
  }
  block->Write(key_, {bytes, previous_size, false, false, false});
  // Tags that are swallowed here must not look alive, nor be what follows an
  // older tag.
  if (swallowed != nullptr) swallowed->Publish(Block::WithoutUsed(word));
  if (joined != nullptr) joined->BreakSeal();
  next->WritePrevious(key_, next_word, bytes, true);
  const bool whole = previous_size == 0 && Block::SizeIn(next_word) == 0;
  return whole ? block : nullptr;
}

ABSL_ATTRIBUTE_NOINLINE Block* BinManager::FreeAndCoalesce(Block* block) {
  const uint64_t word = Block::WithoutQuick(block->Load());
  const size_t bytes = Block::SizeIn(word);
  Block* next = block->Next(bytes);
  if (next != victim_ || Block::IsPreviousFree(word)) {
    return Coalesce(block, word);
  }
  // What was cut off the victim last joins it again.
  CheckSealed(next);
  const size_t total = bytes + victim_bytes_;
  next = block->Next(total);
  const uint64_t next_word = CheckedWord(next);
  const size_t previous_size = Block::PreviousSizeIn(word);
  victim_ = block;
  victim_bytes_ = total;
  block->Write(key_, {total, previous_size, false, false, false});
  block->Next(bytes)->BreakSeal();
  next->WritePrevious(key_, next_word, total, true);
  const bool whole = previous_size == 0 && Block::SizeIn(next_word) == 0;
  return whole ? block : nullptr;
}

bool BinManager::Resize(Block* block, size_t bytes) {
  BoundaryTag tag = block->Read();
  if (bytes <= tag.size) {
    // Splitting off less is not worth a block of its own.
    const size_t saved = tag.size - bytes;
    if (saved >= 64 && saved >= tag.size / 8) SplitOff(block, bytes);
    return true;
  }
  Block* next = block->Next(tag.size);
  CheckSealed(next);
  const BoundaryTag next_tag = next->Read();
  if (next_tag.used || tag.size + next_tag.size < bytes) return false;
  Remove(next, next_tag.size);
  tag.size += next_tag.size;
  // What grows once grows again: 1/16 more, if there is as much.
  bytes = Min(AlignUp(bytes + bytes / 16, Block::kGranularity), tag.size);
  block->Write(key_, tag);
  Block* after = block->Next(tag.size);
  after->WritePrevious(key_, CheckedWord(after), tag.size, false);
  SplitOff(block, bytes);
  return true;
}

void BinManager::Insert(Block* block, size_t bytes) {
  const size_t index = BinIndex(bytes);
  Block* head = bins_[index];
  block->next_free() = head;
  block->previous_free() = nullptr;
  if (head != nullptr) head->previous_free() = block;
  bins_[index] = block;
  bins_with_.Set(index);
  free_bytes_ += bytes;
}

// `to` takes the place of `from`, whose memory it overlaps.
inline void BinManager::Replace(Block* from, size_t from_bytes, Block* to,
                                size_t to_bytes) {
  if (from == victim_) {
    victim_ = to;
    victim_bytes_ = to_bytes;
    return;
  }
  Remove(from, from_bytes);
  Insert(to, to_bytes);
}

// A write after free may have changed the links.
inline void BinManager::CheckLinks(Block* block, size_t index) const {
  Block* next = block->next_free();
  Block* previous = block->previous_free();
  if (ABSL_PREDICT_FALSE(
          (next != nullptr &&
           (!IsInside(next) || next->previous_free() != block)) ||
          (previous == nullptr
               ? bins_[index] != block
               : !IsInside(previous) || previous->next_free() != block))) {
    ReportOverwritten(block);
  }
}

void BinManager::ReportHeader(Block* block) {
  ReportAndAbort("overwritten header", block->payload());
}

void BinManager::ReportOverwritten(Block* block) {
  ReportAndAbort("overwritten free block", block->payload());
}

void BinManager::Remove(Block* block, size_t bytes) {
  if (block == victim_) {
    victim_ = nullptr;
    victim_bytes_ = 0;
    return;
  }
  const size_t index = BinIndex(bytes);
  CheckLinks(block, index);
  Block* next = block->next_free();
  Block* previous = block->previous_free();
  if (next != nullptr) next->previous_free() = previous;
  if (previous != nullptr) {
    previous->next_free() = next;
  } else {
    bins_[index] = next;
    if (next == nullptr) bins_with_.Clear(index);
  }
  free_bytes_ -= bytes;
}

const char* BinManager::Diagnose(void* region, const void* ptr) const {
  for (Block* block = FirstBlock(region);; block = block->Next()) {
    const BoundaryTag tag = block->Read();
    if (!block->IsSealed(key_)) return "overwritten header";
    const char* end = reinterpret_cast<char*>(block->Next(tag.size)->payload());
    if (tag.size == 0 || static_cast<const char*>(ptr) < end) {
      if (tag.size != 0 && !(tag.used && !tag.quick)) return "double free";
      return ptr == block->payload() && tag.size != 0
                 ? "overwritten header"
                 : "free of an address inside a block";
    }
  }
}

bool BinManager::CheckRegion(void* region, size_t* live_bytes,
                             size_t* live_blocks,
                             BrokenInvariant* broken) const {
  size_t previous_size = 0;
  bool previous_free = false;
  for (Block* block = FirstBlock(region);; block = block->Next()) {
    const BoundaryTag tag = block->Read();
    if (!block->IsSealed(key_)) {
      return broken->Is("overwritten header", block->payload());
    }
    if (tag.previous_size != previous_size ||
        tag.previous_free != previous_free) {
      return broken->Is("header that disagrees with the one before",
                        block->payload());
    }
    if (previous_free && !tag.used) {
      return broken->Is("free blocks that are not coalesced", block->payload());
    }
    if (tag.size == 0) return true;
    if (tag.used && !tag.quick) {
      *live_bytes += tag.size - Block::kTagBytes;
      ++*live_blocks;
    }
    previous_size = tag.size;
    previous_free = !tag.used;
  }
}

bool BinManager::CheckBins(const BlockListCheck& check) const {
  BrokenInvariant* broken = check.broken;
  size_t free_bytes = 0;
  for (size_t i = 0; i < kNumBins; ++i) {
    if (bins_with_.Test(i) != (bins_[i] != nullptr)) {
      return broken->Is("wrong bit of a bin", bins_[i]);
    }
    for (Block* block = bins_[i]; block != nullptr;
         block = block->next_free()) {
      if (!check.CheckOne(block, /*quick=*/false, i, free_bytes_,
                          &free_bytes)) {
        return false;
      }
    }
  }
  if (victim_ != nullptr) {
    const BoundaryTag tag = victim_->Read();
    if (!victim_->IsSealed(key_) || tag.used || tag.size != victim_bytes_) {
      return broken->Is("wrong victim", victim_->payload());
    }
  }
  return free_bytes == free_bytes_ || broken->Is("lost free blocks", this);
}

}  // namespace myonly::internal
