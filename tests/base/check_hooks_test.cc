// What the runtime adds to a report, where it is linked: here by this test.
#include <csignal>

#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/base/printer.h"
#include "gtest/gtest.h"

namespace myonly::internal {

void DescribeAddress(Printer* line, const void* address) {
  line->Text(", described ").Address(address);
}

void ExplainMisuse(const void* address) {
  Printer line;
  line.Text("explained ").Address(address).Text("\n").WriteTo(2);
}

namespace {

// An explanation follows in secure only.
TEST(CheckHooksDeathTest, AReportTellsWhatIsKnownOfTheAddress) {
  const auto* address = reinterpret_cast<const void*>(uintptr_t{0x1230});
  EXPECT_EXIT(ReportMisuse("double free", address),
              ::testing::KilledBySignal(SIGABRT),
              kIsSecure ? "^myonlymalloc: double free at 0x1230, described "
                          "0x1230\nexplained 0x1230\n$"
                        : "^myonlymalloc: double free at 0x1230, described "
                          "0x1230\n$");
}

}  // namespace
}  // namespace myonly::internal
