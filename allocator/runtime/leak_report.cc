#include "allocator/runtime/leak_report.h"

#include "allocator/base/preset.h"
#include "allocator/base/printer.h"
#include "allocator/guard/backtrace.h"
#include "allocator/runtime/debug_globals.h"
#include "allocator/runtime/leak_search.h"
#include "allocator/runtime/process_heap.h"

namespace myonly::internal {

#ifdef MYONLY_PRESET_SECURE

namespace {

DebugGlobals& d = debug_globals;

struct Sum {
  size_t blocks = 0;
  size_t bytes = 0;
  size_t stacks = 0;
};

// A record of an arena's block may be older than the arena's last reset.
bool IsLive(const BlockRecord& record) {
  if (!record.is_live || !record.is_of_arena) return record.is_live;
  const auto* start = reinterpret_cast<const void*>(record.start);
  BlockInfo block;
  return ProcessHeap::BlockOf(start, &block) == Status::kOk &&
         block.start == start && block.is_live;
}

// Adds up by stack what is live, or, of that, what was not seen.
Sum AddUp(bool is_searched) {
  Sum sum;
  d.history.VisitAll([&sum, is_searched](const BlockRecord* record) {
    if (!IsLive(*record) || (is_searched && record->is_seen)) return;
    StackDepot::Stack* stack = d.depot.Get(record->made);
    ++sum.blocks;
    sum.bytes += record->size;
    if (stack == nullptr) return;
    if (stack->sum_blocks++ == 0) ++sum.stacks;
    stack->sum_bytes += record->size;
  });
  return sum;
}

Printer& AppendCount(Printer* line, size_t bytes, size_t blocks) {
  line->Number(bytes).Text(bytes == 1 ? " byte in " : " bytes in ");
  return line->Number(blocks).Text(blocks == 1 ? " block" : " blocks");
}

// The stack with most bytes that has not been printed.
StackDepot::Stack* Largest() {
  StackDepot::Stack* largest = nullptr;
  d.depot.VisitAll([&largest](StackDepot::Stack* stack) {
    if (stack->sum_blocks != 0 &&
        (largest == nullptr || stack->sum_bytes > largest->sum_bytes)) {
      largest = stack;
    }
  });
  return largest;
}

}  // namespace

void PrintLeaks(size_t groups) {
  MutexLock lock(d.mutex);
  bool is_searched;
  {
    LeakSearch search;
    is_searched = search.Run();
  }
  const Sum sum = AddUp(is_searched);
  if (sum.blocks == 0) return;
  Printer line;
  line.Text(is_searched ? "myonlymalloc: lost at exit: "
                        : "myonlymalloc: not freed at exit: ");
  AppendCount(&line, sum.bytes, sum.blocks).Text(", made by ");
  line.Number(sum.stacks).Text(" stacks\n").WriteTo(2);
  for (size_t i = 0; i < groups; ++i) {
    StackDepot::Stack* stack = Largest();
    if (stack == nullptr) return;
    Printer title;
    AppendCount(&title.Text("  "), stack->sum_bytes, stack->sum_blocks);
    PrintStack(2, title.Text(", made by:").text(), stack->frames, stack->count);
    stack->sum_blocks = 0;
  }
}

#endif

}  // namespace myonly::internal
