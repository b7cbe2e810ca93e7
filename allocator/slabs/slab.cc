#include "allocator/slabs/slab.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "allocator/base/check.h"
#include "allocator/base/guard_keys.h"
#include "allocator/base/preset.h"
#include "allocator/base/treap.h"

namespace myonly::internal {

void Slab::ReportBadFree(const void* ptr, const Slice* slice) {
  ReportMisuse(IsObject(slice, ptr) ? "double free"
                                    : "free of an address inside a block",
               ptr);
}

void Slab::ReportBadUse(const void* ptr, const Slice* slice) {
  ReportBadFree(ptr, slice);
  abort();
}

Object* Slab::ReportBadList(Object* list, const Slice* slice,
                            bool is_too_long) {
  if (!is_too_long && !IsObject(slice, list)) ReportBadUse(list, slice);
  ReportAndAbort(is_too_long ? "double free" : "overwritten free object", list);
}

namespace {

constexpr size_t kPages = kSliceSize / kPageSize;

constexpr size_t PageOf(size_t offset) { return offset / kPageSize; }

// The pages that an object lies on, one or two.
unsigned PagesOf(const Object* object, size_t bytes) {
  const size_t offset = reinterpret_cast<uintptr_t>(object) & (kSliceSize - 1);
  return 1U << PageOf(offset) | 1U << PageOf(offset + bytes - 1);
}

bool HasPage(unsigned pages, size_t page) { return (pages >> page & 1) != 0; }

// The objects of a page as a range of indices, without those that lie on one of
// `others` too.
struct Range {
  size_t first;
  size_t end;
};
Range ObjectsOf(size_t page, size_t bytes, size_t capacity, unsigned others) {
  const size_t start = page * kPageSize;
  const size_t end = start + kPageSize;
  Range range = {start / bytes, Min((end + bytes - 1) / bytes, capacity)};
  const bool from_before = range.first * bytes < start;
  if (from_before && HasPage(others, page - 1)) ++range.first;
  if (range.end * bytes > end && HasPage(others, page + 1)) --range.end;
  return range;
}

// Others may look at the slab meanwhile (slab_reader.h): while there are fewer
// carved objects than its capacity because of purged pages, and while marks may
// be purged, these bits say so.
void SetSweptPages(Slice* slice, unsigned pages) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  __atomic_store_n(&slice->swept_pages, static_cast<uint8_t>(pages),
                   __ATOMIC_RELEASE);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

// A list of the objects [first, first + count) in the order of addresses.
Object* MakeList(char* start, size_t first, size_t count, size_t bytes,
                 uintptr_t mark, Object* end) {
  char* head = start + first * bytes;
  char* last = head + (count - 1) * bytes;
  for (char* at = head; at != last; at += bytes) {
    auto* object = reinterpret_cast<Object*>(at);
    object->next = reinterpret_cast<Object*>(at + bytes);
    object->mark = mark;
  }
  reinterpret_cast<Object*>(last)->next = end;
  reinterpret_cast<Object*>(last)->mark = mark;
  return reinterpret_cast<Object*>(head);
}

// The same in an order that nobody knows, of objects that are cleared: each
// goes to a random place among those before it (R. Durstenfeld, 1964).
Object* MakeShuffledList(char* start, size_t first, size_t count, size_t bytes,
                         uintptr_t mark, Object* end) {
  char* head = start + first * bytes;
  memset(head, 0, count * bytes);
  uint8_t order[kPageSize / kMinAlignment + 1];
  uint64_t random = guard_keys.order ^ reinterpret_cast<uintptr_t>(head);
  for (size_t i = 0; i < count; ++i) {
    random = MixBits(random + i);
    const size_t place = (random >> 32) * (i + 1) >> 32;
    order[i] = order[place];
    order[place] = static_cast<uint8_t>(i);
  }
  Object* list = end;
  for (size_t i = 0; i < count; ++i) {
    auto* object = reinterpret_cast<Object*>(head + order[i] * bytes);
    object->next = list;
    object->mark = mark;
    list = object;
  }
  return list;
}

constexpr auto kNewList = kIsSecure ? MakeShuffledList : MakeList;

// In the slab's list: after `last`, or as the first one if that is NULL.
void LinkAfter(SlabFields* slab, Object* last, Object* object) {
  if (last == nullptr) {
    slab->free = object;
  } else {
    last->next = object;
  }
}

}  // namespace

Object* Slab::MakeList(char* start, size_t count, size_t bytes, uintptr_t token,
                       Object* rest) {
  return internal::MakeList(start, 0, count, bytes, token, rest);
}

size_t Slab::NotCounted(const Slice* slice) {
  const SlabFields& slab = slice->slab;
  switch (slab.state) {
    case SlabState::kFull:
      return slab.capacity - WakeThreshold(slab.capacity);
    case SlabState::kSwept:
      return slice->swept_base * SweptUnit(slab);
    default:
      return 0;
  }
}

Object* Slab::TakeSome(Slice* slice, size_t most, Object* end) {
  SlabFields& slab = slice->slab;
  Object* list = slab.free;
  if (IsEnd(list)) return nullptr;
  Object* last = list;
  size_t count = 1;
  for (; count < most && !IsEnd(last->next); ++count) last = last->next;
  slab.free = last->next;
  last->next = end;
  slab.needed = static_cast<uint16_t>(slab.needed + count);
  return list;
}

Object* Slab::Carve(Slice* slice, char* start, Object* end) {
  SlabFields& slab = slice->slab;
  if (ABSL_PREDICT_FALSE(slice->swept_pages != 0)) {
    return CarveSwept(slice, start, end);
  }
  if (slab.carved == slab.capacity) return nullptr;
  const size_t bytes = ObjectBytes(slab.size_class);
  char* first = start + slab.carved * bytes;
  // Not beyond the page that the first object ends on: the object that goes on
  // to the next one, which nobody may want, is carved with it.
  const size_t last_byte = reinterpret_cast<uintptr_t>(first) + bytes - 1;
  const size_t count = Min(1 + (~last_byte & (kPageSize - 1)) / bytes,
                           size_t{slab.capacity} - slab.carved);
  Object* list =
      kNewList(start, slab.carved, count, bytes, TokenAt(slice, start), end);
  slab.carved = static_cast<uint16_t>(slab.carved + count);
  slab.needed = static_cast<uint16_t>(slab.needed + count);
  return list;
}

Object* Slab::CarveSwept(Slice* slice, char* start, Object* end) {
  SlabFields& slab = slice->slab;
  const unsigned pages = slice->swept_pages;
  const auto page = static_cast<size_t>(__builtin_ctz(pages));
  const auto others = static_cast<uint8_t>(pages & (pages - 1));
  const size_t bytes = ObjectBytes(slab.size_class);
  const Range range = ObjectsOf(page, bytes, slab.capacity, others);
  const size_t count = range.end - range.first;
  slab.carved = static_cast<uint16_t>(slab.carved + count);
  slab.needed = static_cast<uint16_t>(slab.needed + count);
  Object* list =
      kNewList(start, range.first, count, bytes, TokenAt(slice, start), end);
  SetSweptPages(slice, others);
  return list;
}

size_t Slab::SweptObjects(const Slice* slice) {
  const SlabFields& slab = slice->slab;
  size_t objects = 0;
  for (unsigned pages = slice->swept_pages; pages != 0; pages &= pages - 1) {
    const Range range =
        ObjectsOf(static_cast<size_t>(__builtin_ctz(pages)),
                  ObjectBytes(slab.size_class), slab.capacity, pages);
    objects += range.end - range.first;
  }
  return objects;
}

unsigned Slab::Sweep(Slice* slice) {
  SlabFields& slab = slice->slab;
  const size_t bytes = ObjectBytes(slab.size_class);
  const unsigned before = slice->swept_pages;
  CheckSwept(slice);
  size_t free_in[kPages] = {};
  for (Object* object = slab.free; !IsEnd(object); object = object->next) {
    for (unsigned on = PagesOf(object, bytes); on != 0; on &= on - 1) {
      ++free_in[__builtin_ctz(on)];
    }
  }
  unsigned pages = 0;
  for (size_t page = 0; page < kPages; ++page) {
    const Range range = ObjectsOf(page, bytes, slab.capacity, before);
    if (!HasPage(before, page) && free_in[page] == range.end - range.first) {
      pages |= 1U << page;
    }
  }
  if (pages == 0) return 0;
  SetSweptPages(slice, before | pages);
  size_t swept = 0;
  Object* last = nullptr;  // of those that stay
  Object* object = slab.free;
  for (; !IsEnd(object); object = object->next) {
    if ((PagesOf(object, bytes) & pages) != 0) {
      ++swept;
      continue;
    }
    LinkAfter(&slab, last, object);
    last = object;
  }
  LinkAfter(&slab, last, object);
  slab.carved = static_cast<uint16_t>(slab.carved - swept);
  return pages;
}

void Slab::CheckSwept(const Slice* slice, size_t most) {
  const SlabFields& slab = slice->slab;
  size_t left = slab.carved;
  for (const Object* object = slab.free; most-- != 0 && !IsEnd(object);
       object = object->next) {
    if (ABSL_PREDICT_FALSE(left-- == 0 ||
                           (PagesOf(object, ObjectBytes(slab.size_class)) &
                            slice->swept_pages) != 0)) {
      ReportAndAbort("double free", object);
    }
  }
}

}  // namespace myonly::internal
