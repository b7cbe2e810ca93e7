#include "allocator/guard/backtrace.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <unwind.h>

#include <cstdint>
#include <cstring>

#include "allocator/base/printer.h"
#include "allocator/base/sizes.h"
#include "allocator/guard/memory_maps.h"

// The first byte of the program or library that this code is in.
extern "C" __attribute__((visibility("hidden"), weak))
const ElfW(Ehdr) __ehdr_start;

namespace myonly::internal {
namespace {

uintptr_t AddressOf(const void* place) {
  return reinterpret_cast<uintptr_t>(place);
}

struct Range {
  uintptr_t start;
  uintptr_t end;

  bool Has(uintptr_t address) const { return address - start < end - start; }
};

// Where the library is whose callers count. Empty in a program that has the
// allocator linked into it.
Range OwnLibrary() {
  const ElfW(Ehdr)* header = &__ehdr_start;
  if (header == nullptr) return {};
  const uintptr_t start = AddressOf(header);
  if (getauxval(AT_PHDR) == start + header->e_phoff) return {};
  const auto* part =
      reinterpret_cast<const ElfW(Phdr)*>(start + header->e_phoff);
  uintptr_t bytes = 0;
  for (int i = 0; i < header->e_phnum; ++i) {
    if (part[i].p_type != PT_LOAD) continue;
    bytes = Max(bytes, part[i].p_vaddr + part[i].p_memsz);
  }
  return {start, start + bytes};
}

struct Walk {
  void** frames;
  size_t max;
  size_t count;
  Range own;  // left out, until there was something else
  bool is_first;
  bool is_outside;
};

_Unwind_Reason_Code Visit(_Unwind_Context* context, void* ctx) {
  auto* walk = static_cast<Walk*>(ctx);
  if (walk->is_first) {  // CaptureStack
    walk->is_first = false;
    return _URC_NO_REASON;
  }
  int is_before_call = 0;
  uintptr_t address = _Unwind_GetIPInfo(context, &is_before_call);
  if (address == 0) return _URC_END_OF_STACK;
  if (is_before_call == 0) --address;
  if (!walk->is_outside && walk->own.Has(address)) return _URC_NO_REASON;
  walk->is_outside = true;
  if (walk->count == walk->max) return _URC_END_OF_STACK;
  walk->frames[walk->count++] = reinterpret_cast<void*>(address);
  return _URC_NO_REASON;
}

// A file's first page is mapped at `base`. Programs that are not position
// independent have addresses where others have offsets.
bool HasFixedAddress(uintptr_t base) {
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(base);
  return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
         header->e_type == ET_EXEC;
}

// " path+0xoffset", if that is known.
void AppendModule(Printer* text, uintptr_t address) {
  MemoryMaps maps;
  MemoryMap line;
  uintptr_t base = 0;  // where the file of `inode` begins
  uint64_t inode = 0;
  bool is_readable = false;
  while (maps.Read(&line)) {
    if (line.inode != 0 && line.offset == 0) {
      base = line.start;
      inode = line.inode;
      is_readable = line.is_readable;
    }
    if (!line.Has(address)) continue;
    if (line.path[0] == '\0') return;
    uintptr_t offset = address - line.start + line.offset;
    if (line.inode != 0 && line.inode == inode) {
      const bool is_fixed = is_readable && HasFixedAddress(base);
      offset = is_fixed ? address : address - base;
    }
    text->Text(" ").Text(line.path).Text("+");
    text->Address(reinterpret_cast<const void*>(offset));
    return;
  }
}

}  // namespace

bool CanUnwind() {
  const ElfW(Ehdr)* header = &__ehdr_start;
  if (header == nullptr || header->e_type != ET_EXEC) return true;
  const auto* part =
      reinterpret_cast<const ElfW(Phdr)*>(AddressOf(header) + header->e_phoff);
  for (int i = 0; i < header->e_phnum; ++i) {
    if (part[i].p_type == PT_INTERP) return true;
  }
  return false;
}

size_t CaptureStack(void** frames, size_t max) {
  if (!CanUnwind()) return 0;
  Walk walk = {frames, max, 0, OwnLibrary(), true, false};
  _Unwind_Backtrace(Visit, &walk);
  return walk.count;
}

void PrintStack(int fd, const char* title, void* const* frames, size_t count) {
  Printer heading;
  heading.Text(title).Text(count == 0 ? " (unknown)\n" : "\n").WriteTo(fd);
  for (size_t i = 0; i < count; ++i) {
    Printer line;
    line.Text("    #").Number(i).Text(" ").Address(frames[i]);
    AppendModule(&line, AddressOf(frames[i]));
    line.Text("\n").WriteTo(fd);
  }
}

}  // namespace myonly::internal
