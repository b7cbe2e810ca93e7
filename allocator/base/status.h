// Why a call failed. The values are those of the C API (MYONLY_ERR_*), so that
// capi only casts.
#ifndef MYONLY_ALLOCATOR_BASE_STATUS_H_
#define MYONLY_ALLOCATOR_BASE_STATUS_H_

#include <cstdint>

namespace myonly::internal {

enum class Status : int32_t {
  kOk = 0,
  kNoMemory = -1,
  kQuota = -2,
  kInvalid = -3,
  kUnsupported = -4,
  kBusy = -5,
  kStale = -6,
  kCorrupt = -7,
  kOs = -8,
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_STATUS_H_
