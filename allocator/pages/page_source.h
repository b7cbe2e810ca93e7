// Where pages come from: the seam between the allocator and the system.
//
// Addresses are reserved, then committed (usable, zero), purged (zero again,
// memory given back) or decommitted (memory and access given back), and at last
// released. Every start is a multiple of kPageSize, every size a multiple of it
// and not 0. No call touches errno, none allocates.
//
// Implementations are thread-safe.
#ifndef MYONLY_ALLOCATOR_PAGES_PAGE_SOURCE_H_
#define MYONLY_ALLOCATOR_PAGES_PAGE_SOURCE_H_

#include <cstddef>

namespace myonly::internal {

class PageSource {
 public:
  enum class Access { kNone, kReadWrite };

  // Addresses for `bytes`, aligned to `alignment` (a power of two), readable
  // and writable at once with kReadWrite. NULL if there are none.
  virtual void* Reserve(size_t bytes, size_t alignment, Access access) = 0;

  // Makes reserved pages usable; those that are already keep their contents.
  // False: nothing changed for those that were not.
  virtual bool Commit(void* start, size_t bytes) = 0;

  // Takes access and memory of committed pages away; the addresses stay
  // reserved. False: they are as before.
  virtual bool Decommit(void* start, size_t bytes) = 0;

  // Gives the memory of committed pages back; they read as zero afterwards.
  // False (locked pages, say): contents and memory are as before.
  virtual bool Purge(void* start, size_t bytes) = 0;

  // Gives a part of a reservation back. False: it is still reserved (the system
  // may lack the memory to split a mapping), and the caller keeps it.
  virtual bool Release(void* start, size_t bytes) = 0;

  // Changes the size of a whole kReadWrite reservation, moving it if need be;
  // what is new is zero. NULL: it can't be done, nothing changed.
  virtual void* Remap(void* start, size_t old_bytes, size_t new_bytes) = 0;

  // Moves pages with their contents to `target`, which is inside a kReadWrite
  // reservation and loses its own; their old addresses are released. False: it
  // can't be done, and the target must only be released any more.
  virtual bool Move(void* start, size_t bytes, void* target) = 0;

  // Advice, for reserved pages: huge ones shall never serve them, or whenever
  // possible. Without it the system decides.
  virtual void AdviseHugePages(void* /*start*/, size_t /*bytes*/,
                               bool /*wanted*/) {}

  // Advice, for committed pages: all of them will be touched at once.
  virtual void Populate(void* /*start*/, size_t /*bytes*/) {}
  // The same at once, by huge pages, of a range that they fill. False: the
  // system has none, or took so long that small ones would have been faster.
  virtual bool PopulateHuge(void* /*start*/, size_t /*bytes*/) { return false; }

  // False: a committed page has never been touched, or was purged since.
  virtual bool MayBeResident(const void* /*page*/) { return true; }

  // Lets every touch of committed pages fault, and gives their memory back,
  // without splitting a mapping; takes that off again, and they are zero.
  // False: the system can't, or not for these pages, and they are as before.
  virtual bool Guard(void* /*start*/, size_t /*bytes*/) { return false; }
  virtual bool Unguard(void* /*start*/, size_t /*bytes*/) { return false; }

  // How many bytes one reservation should try to span, at most.
  virtual size_t ReservationLimit() const = 0;
  // Of a limit of the system, if there is one, that is so much.
  static constexpr size_t kReservationPart = 16;

 protected:
  ~PageSource() = default;  // never destroyed through the base
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_PAGES_PAGE_SOURCE_H_
