// An owner's list of its runs or mappings: doubly linked through the records'
// own `previous` and `next`. Externally synchronised.
#ifndef MYONLY_ALLOCATOR_ARENA_OWNER_LIST_H_
#define MYONLY_ALLOCATOR_ARENA_OWNER_LIST_H_

namespace myonly::internal {

template <typename T>
void PushOwned(T** head, T* record) {
  record->previous = nullptr;
  record->next = *head;
  if (*head != nullptr) (*head)->previous = record;
  *head = record;
}

template <typename T>
void RemoveOwned(T** head, T* record) {
  if (record->next != nullptr) record->next->previous = record->previous;
  if (record->previous != nullptr) {
    record->previous->next = record->next;
  } else {
    *head = record->next;
  }
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_OWNER_LIST_H_
