#include "allocator/slabs/slab_pool.h"

#include <cstring>

#include "allocator/base/check.h"
#include "allocator/base/preset.h"

namespace myonly::internal {

Object* SlabPool::TakeBack(size_t size_class) {
  Slice* slab = Active(size_class);
  if (ABSL_PREDICT_FALSE(slab == nullptr)) return nullptr;
  if (ABSL_PREDICT_FALSE((slab->swept_pages | takes_few_) != 0)) {
    return TakeBackCarefully(slab);
  }
  if (Slab::IsEnd(slab->slab.free)) return nullptr;
  const size_t used = slab->slab.needed;
  return NoteTakenBack(slab, used, Slab::TakeFree(slab, end()));
}

Object* SlabPool::TakeBackCarefully(Slice* slab) {
  Slab::CheckSwept(slab, takes_few_ != 0 ? kFew : SIZE_MAX);
  if (Slab::IsEnd(slab->slab.free)) return nullptr;
  const size_t used = slab->slab.needed;
  return NoteTakenBack(slab, used,
                       takes_few_ != 0 ? Slab::TakeSome(slab, kFew, end())
                                       : Slab::TakeFree(slab, end()));
}

Object* SlabPool::TakeMore(Slice* slab, Object* list) {
  const size_t size_class = slab->slab.size_class;
  if (takes_few_ != 0 || ++turns_[size_class] < kTurnsPerPage) return list;
  turns_[size_class] = 0;
  Object* more = CarveMore(slab);
  if (more == nullptr) return list;
  is_carved_[size_class] = false;
  Object* last = list;
  while (!Slab::IsEnd(last->next)) last = last->next;
  last->next = more;
  return list;
}

// Its first object and the next one lie in the slab, where objects have been
// carved: a link that was overwritten mostly leads elsewhere, as does an
// address that was freed without ever having been handed out.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool SlabPool::BeginsWell(
    const Slice* slab, const Object* list, size_t carved) {
  constexpr uintptr_t kInSlab = kSliceSize - 1;
  const Object* next = list->next;
  const auto place = reinterpret_cast<uintptr_t>(list);
  const auto link = reinterpret_cast<uintptr_t>(next);
  return ((place ^ link) <= kInSlab || Slab::IsEnd(next)) &&
         (place & kInSlab) <
             ObjectBytes(size_t{slab->slab.size_class} * carved);
}

inline Object* SlabPool::NoteTakenBack(Slice* slab, size_t used_before,
                                       Object* list) {
  const SlabFields& fields = slab->slab;
  // More can't have come back than went: an object was freed twice.
  if (ABSL_PREDICT_FALSE(used_before > fields.carved)) {
    return Slab::ReportBadList(list, slab, true);
  }
  is_carved_[fields.size_class] = false;
  if (kChecksObjects && !kIsSecure) {
    // Of a slab with purged pages CheckSwept has seen the first object.
    const size_t carved =
        slab->swept_pages == 0 ? fields.carved : fields.capacity;
    if (ABSL_PREDICT_FALSE(!BeginsWell(slab, list, carved))) {
      return Slab::ReportBadList(list, slab, false);
    }
  }
  const size_t back = fields.needed - used_before;
  known_back_ += back;
  taken_ += back;
  return list;
}

Object* SlabPool::CarveMore(Slice* slab) {
  const size_t used = slab->slab.needed;
  const unsigned swept = slab->swept_pages;
  Object* list = Slab::Carve(slab, runs_.pool().AddressOf(slab), end());
  if (ABSL_PREDICT_TRUE(list != nullptr)) {
    const size_t size_class = slab->slab.size_class;
    NoteTaken(size_class, slab->slab.needed - used);
    is_carved_[size_class] = !kIsSecure && swept == 0;
  }
  return list;
}

Object* SlabPool::TakeNext(size_t size_class) {
  Slice*& active = List(size_class, SlabState::kActive);
  if (Slice* slab = active) {
    Object* list = CarveMore(slab);
    if (ABSL_PREDICT_TRUE(list != nullptr)) return list;
    Slab::Sleep(slab);
    Push(slab);
    active = nullptr;
  }
  Slice* slab = First(size_class, SlabState::kPartial);
  if (slab == nullptr) slab = First(size_class, SlabState::kSwept);
  if (slab == nullptr) return nullptr;
  Remove(slab);
  slab->slab.needed = static_cast<uint16_t>(Slab::Used(slab));
  slab->slab.state = SlabState::kActive;
  slab->next = nullptr;
  active = slab;
  Object* list = TakeBack(size_class);
  return list != nullptr ? list : TakeNext(size_class);
}

Object* SlabPool::Refill(size_t size_class, Status* status) {
  Object* list = TakeBack(size_class);
  if (list == nullptr) list = TakeNext(size_class);
  if (list != nullptr) return list;
  Slice* slab = NewSlab(size_class, status);
  if (slab == nullptr) return nullptr;
  List(size_class, SlabState::kActive) = slab;
  return CarveMore(slab);
}

// Of a new slab: a part of what the class has already, so that little is in
// vain when it grows no more. All the slabs that it has are full.
size_t SlabPool::SoonUsed(size_t size_class) const {
  size_t slabs = 0;
  for (const Slice* slab = First(size_class, SlabState::kFull);
       slab != nullptr && slabs < kSlabsForWhole; slab = slab->next) {
    ++slabs;
  }
  return AlignDown(kSliceSize / kSlabsForWhole * slabs, kPageSize);
}

bool SlabPool::IsDense() const {
  return slab_bytes() >= Growth::kLeastDenseBytes &&
         used_bytes_ >= slab_bytes() / 2;
}

Slice* SlabPool::NewSlab(size_t size_class, Status* status) {
  Slice* slab = runs_.Allocate(1, RunKind::kSlab, owner_, status,
                               {SoonUsed(size_class), IsDense()});
  if (slab == nullptr) return nullptr;
  ++num_slabs_;
  Slab::Open(slab, size_class, end());
  runs_.pool().ClearLive(slab);
  slab->key.Publish(Slab::Key(slab, runs_.pool().AddressOf(slab), token_));
  SweepWhileGrowing();
  return slab;
}

// What grows here makes room there.
void SlabPool::SweepWhileGrowing() {
  const size_t step = kEpochSlabs + num_slabs_ / 16;
  if (num_slabs_ >= epoch_slabs_) {
    BeginEpoch();
    epoch_slabs_ = num_slabs_ + step;
    sweeps_ = true;
  } else {
    // It has shrunk meanwhile.
    epoch_slabs_ = Min(epoch_slabs_, num_slabs_ + step);
  }
  if (sweeps_) sweeps_ = Sweep(kSweptPerNewSlab);
}

// Objects that were freed twice, and written to in between, count as if others
// had come back, which are still in use. Some of them are looked at.
inline void SlabPool::CheckSome(const Slice* slab) const {
  const char* start = runs_.pool().AddressOf(slab);
  const size_t bytes = ObjectBytes(slab->slab.size_class);
  const size_t carved = slab->slab.carved;
  const size_t step = carved / kSome + 1;
  for (size_t i = epoch_ % step; i < carved; i += step) {
    const auto* object = reinterpret_cast<const Object*>(start + i * bytes);
    if (ABSL_PREDICT_FALSE(object->mark != token_)) {
      ReportAndAbort("double free of a neighbour of the object", object);
    }
  }
}

void SlabPool::GiveUp(Slice* slab) {
  if (ABSL_PREDICT_FALSE(slab->swept_pages != 0)) {
    Slab::CheckSwept(slab);
  } else if (kChecksObjects) {
    CheckSome(slab);
  }
  NoteBack(slab->slab.size_class, slab->slab.carved);
  --num_slabs_;
  runs_.Free(slab);
}

void SlabPool::Push(Slice* slab) {
  Slice*& first = ListOf(slab);
  slab->next = first;
  slab->previous = slab;
  if (first != nullptr) {
    slab->previous = first->previous;
    first->previous = slab;
  }
  first = slab;
}

void SlabPool::Remove(Slice* slab) {
  Slice*& first = ListOf(slab);
  Slice* after = slab->next != nullptr ? slab->next : first;
  after->previous = slab->previous;
  if (first == slab) {
    first = slab->next;
  } else {
    slab->previous->next = slab->next;
  }
}

void SlabPool::Move(Slice* slab, size_t extra) {
  SlabFields& fields = slab->slab;
  bool good = extra == 0;
  if (fields.state == SlabState::kFull || fields.state == SlabState::kSwept) {
    Remove(slab);
    const bool slept_swept = fields.state == SlabState::kSwept;
    good = Slab::Wake(slab, extra);
    slab->waits_since = epoch_;
    if (ABSL_PREDICT_FALSE(sweeps_at_once_) && good && fields.needed != 0) {
      if (slept_swept) PurgeUnused(slab);
      Slab::SleepSwept(slab);
    }
    Push(slab);
  }
  if (ABSL_PREDICT_FALSE(!good)) ReportAndAbort("double free", fields.free);
  if (fields.needed == 0 && fields.state == SlabState::kPartial) {
    Remove(slab);
    GiveUp(slab);
  }
}

void SlabPool::FreeChain(Slice* slab, Object* first, Object* last,
                         size_t count) {
  SlabFields& fields = slab->slab;
  last->next = fields.free;
  fields.free = first;
  if (ABSL_PREDICT_TRUE(count < fields.needed)) {
    fields.needed = static_cast<uint16_t>(fields.needed - count);
    return;
  }
  const size_t extra = count - fields.needed;
  fields.needed = 0;
  Attend(slab, extra);
}

void SlabPool::Return(Object* list) {
  while (!Slab::IsEnd(list)) {
    if (kChecksObjects && ABSL_PREDICT_FALSE(list->mark != token_)) {
      ReportAndAbort("overwritten free object", list);
    }
    Object* next = list->next;
    Slice* slab = runs_.pool().Find(list);
    // Neither allocated nor freed; that it is back will be noted later.
    --taken_;
    --known_back_;
    if (Slab::PutBack(slab, list)) Attend(slab, 0);
    list = next;
  }
}

// The list is in the order in which its slabs began to wait.
Slice* SlabPool::OldestPartial(size_t size_class, uint8_t least_epochs) const {
  const Slice* first = First(size_class, SlabState::kPartial);
  if (first == nullptr) return nullptr;
  Slice* oldest = first->previous;
  return static_cast<uint8_t>(epoch_ - oldest->waits_since) >= least_epochs
             ? oldest
             : nullptr;
}

size_t SlabPool::PurgeUnused(Slice* slab) {
  const size_t before = slab->slab.carved;
  const unsigned pages = Slab::Sweep(slab);
  NoteBack(slab->slab.size_class, before - slab->slab.carved);
  char* start = runs_.pool().AddressOf(slab);
  size_t purged = 0;
  for (unsigned left = pages; left != 0;) {
    const auto first = static_cast<unsigned>(__builtin_ctz(left));
    const auto count = static_cast<unsigned>(__builtin_ctz(~(left >> first)));
    purged +=
        runs_.pool().PurgeInside(start + first * kPageSize, count * kPageSize);
    left &= ~0U << (first + count);
  }
  return purged;
}

size_t SlabPool::SweepOne(Slice* slab) {
  Remove(slab);
  const size_t purged = PurgeUnused(slab);
  Slab::SleepSwept(slab);
  Push(slab);
  return purged;
}

bool SlabPool::Sweep(size_t slabs) {
  for (; sweep_class_ < kNumSizeClasses; ++sweep_class_) {
    while (Slice* slab = OldestPartial(sweep_class_, kLeastEpochs)) {
      if (slabs-- == 0) return true;
      SweepOne(slab);
    }
  }
  sweep_class_ = 0;
  return false;
}

bool SlabPool::HasWaiting() const {
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    if (First(i, SlabState::kPartial) != nullptr) return true;
  }
  return false;
}

size_t SlabPool::SweepAll(size_t* keep_bytes) {
  size_t purged = 0;
  for (size_t i = 1; i < kNumSizeClasses; ++i) {
    // Those that began to wait last are kept.
    Slice* kept = nullptr;
    for (Slice* slab = First(i, SlabState::kPartial);
         slab != nullptr && *keep_bytes != 0; slab = slab->next) {
      *keep_bytes -=
          Min(*keep_bytes, kSliceSize - Slab::Used(slab) * ObjectBytes(i));
      kept = slab;
    }
    for (Slice* slab = First(i, SlabState::kSwept); slab != nullptr;
         slab = slab->next) {
      purged += PurgeUnused(slab);
    }
    for (Slice* slab; (slab = OldestPartial(i, 0)) != kept;) {
      purged += SweepOne(slab);
    }
  }
  return purged;
}

void SlabPool::ReleaseEmpty() {
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    Slice*& active = List(i, SlabState::kActive);
    Slice* slab = active;
    if (slab == nullptr || slab->slab.needed != 0) continue;
    active = nullptr;
    GiveUp(slab);
  }
}

size_t SlabPool::ListLength(size_t size_class, const Object* list) const {
  size_t length = 0;
  if (is_carved_[size_class]) {
    const Slice* slab = Active(size_class);
    const size_t bytes = ObjectBytes(size_class);
    const char* end = runs_.pool().AddressOf(slab) + slab->slab.carved * bytes;
    return static_cast<size_t>(end - reinterpret_cast<const char*>(list)) /
           bytes;
  }
  for (; !Slab::IsEnd(list); list = list->next) ++length;
  return length;
}

bool SlabPool::Rewind(size_t size_class, Object* list, size_t left) {
  Slice* slab = Active(size_class);
  if (slab == nullptr || slab->swept_pages != 0) return false;
  size_t taken = slab->slab.carved;
  if (is_carved_[size_class]) {
    taken -= left;
  } else {
    list = end();
  }
  if (taken == 0) return false;
  slab->slab.free = Slab::MakeList(runs_.pool().AddressOf(slab), taken,
                                   ObjectBytes(size_class), token_, list);
  slab->slab.needed = 0;
  return true;
}

void SlabPool::DropAll(Object** lists, SliceCache* cache, Keeping keeping) {
  size_t left[kNumSizeClasses];
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    left[i] = Slab::IsEnd(lists[i]) ? 0 : ListLength(i, lists[i]);
    taken_ -= left[i];
  }
  const bool keeps =
      !kIsSecure && keeping.whom != 0 && taken_ >= keeping.least_taken;
  Slice* kept = nullptr;
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    if (keeps && Rewind(i, lists[i], left[i])) {
      Slice*& active = List(i, SlabState::kActive);
      active->next = kept;
      kept = active;
      active = nullptr;
    }
    lists[i] = end();
  }
  if (kept != nullptr) runs_.Keep(cache, keeping.whom, kept);
  Slice* dropped = nullptr;
  VisitSlabs([&dropped](Slice* slab) {
    slab->next = dropped;
    dropped = slab;
  });
  memset(lists_, 0, sizeof(lists_));
  num_slabs_ = 0;
  runs_.FreeAllTo(cache, dropped);
  known_back_ = taken_;
  used_bytes_ = 0;
}

bool SlabPool::Reopen(Object** lists, uintptr_t kept_for) {
  Slice* slab = runs_.TakeKept(kept_for);
  if (slab == nullptr) return false;
  while (slab != nullptr) {
    Slice* next = slab->next;
    const size_t size_class = slab->slab.size_class;
    slab->owner = owner_;
    slab->kind.Publish(RunKind::kSlab);
    slab->previous = slab->next = nullptr;
    slab->key.Publish(Slab::Key(slab, runs_.pool().AddressOf(slab), token_));
    List(size_class, SlabState::kActive) = slab;
    lists[size_class] = Slab::TakeFree(slab, end());
    is_carved_[size_class] = true;
    NoteTaken(size_class, slab->slab.carved);
    ++num_slabs_;
    slab = next;
  }
  return true;
}

void SlabPool::CountUsed(size_t* objects, size_t* bytes) const {
  VisitSlabs([objects, bytes](const Slice* slab) {
    const size_t used = Slab::Used(slab);
    *objects += used;
    *bytes += used * ObjectBytes(slab->slab.size_class);
  });
}

bool SlabPool::Check(BrokenInvariant* broken) const {
  size_t slabs = 0;
  bool good = true;
  VisitSlabs([this, broken, &slabs, &good](const Slice* slab) {
    ++slabs;
    good = good && CheckSlab(slab, broken);
  });
  return good && (slabs == num_slabs_ || broken->Is("lost slab", this));
}

bool SlabPool::CheckSlab(const Slice* slab, BrokenInvariant* broken) const {
  const SlabFields& fields = slab->slab;
  const char* start = runs_.pool().AddressOf(slab);
  if (slab->kind != RunKind::kSlab || slab->owner != owner_ ||
      slab->key != Slab::Key(slab, start, token_)) {
    return broken->Is("slab of another owner", start);
  }
  if (fields.size_class == 0 || fields.size_class >= kNumSizeClasses ||
      fields.carved > fields.capacity) {
    return broken->Is("broken descriptor of a slab", start);
  }
  size_t free = 0;
  for (const Object* object = fields.free; !Slab::IsEnd(object);
       object = object->next) {
    const auto offset =
        static_cast<size_t>(reinterpret_cast<const char*>(object) - start);
    if (offset >= kSliceSize || !Slab::IsObject(slab, object) ||
        (kChecksObjects && object->mark != token_) || ++free > fields.carved) {
      return broken->Is("overwritten free object", object);
    }
  }
  if (slab->swept_pages != 0 &&
      fields.carved + Slab::SweptObjects(slab) != fields.capacity) {
    return broken->Is("wrong count of a slab's purged objects", start);
  }
  return Slab::Used(slab) + free == fields.carved ||
         broken->Is("wrong count of a slab's free objects", start);
}

}  // namespace myonly::internal
