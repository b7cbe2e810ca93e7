#include "allocator/base/check.h"

#include <cstdlib>

#include "allocator/base/preset.h"
#include "allocator/base/printer.h"

// A virtual class without libstdc++ needs this symbol; weak, so that the C++
// library's own one is taken where it is linked.
extern "C" __attribute__((weak)) void __cxa_pure_virtual();
extern "C" void __cxa_pure_virtual() { abort(); }

namespace myonly::internal {

namespace {

bool goes_on = false;

}  // namespace

void ReportMisuse(const char* what, const void* address) {
  Printer line;
  line.Text("myonlymalloc: ").Text(what).Text(" at ").Address(address);
  if (&DescribeAddress != nullptr) DescribeAddress(&line, address);
  line.Text("\n").WriteTo(2);
  if (kIsSecure && &ExplainMisuse != nullptr) ExplainMisuse(address);
  if (!goes_on) abort();
}

void GoOnAfterMisuse() { goes_on = true; }
bool GoesOnAfterMisuse() { return goes_on; }

void ReportAndAbort(const char* what, const void* address) {
  ReportMisuse(what, address);
  abort();
}

void CheckFailed(const char* condition, const char* file, int line_number) {
  Printer line;
  line.Text("myonlymalloc: check failed: ").Text(condition).Text(" (");
  line.Text(file).Text(":").Number(static_cast<unsigned>(line_number));
  line.Text(")\n").WriteTo(2);
  abort();
}

}  // namespace myonly::internal
