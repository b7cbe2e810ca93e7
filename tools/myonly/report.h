// Prints a measurement: as a table for people, as JSON for programs.
#ifndef MYONLY_TOOLS_MYONLY_REPORT_H_
#define MYONLY_TOOLS_MYONLY_REPORT_H_

#include <string>
#include <vector>

#include "tools/myonly/measure.h"

namespace myonly::tools {

// Side by side: the medians of each allocator, and the proof that the program's
// malloc was ours.
std::string TextReport(const Measurement& measurement);

// One JSON object, and a newline.
std::string JsonReport(const Measurement& measurement);

// One line for each run that a signal ended; empty if none was.
std::string SignalReport(const Measurement& measurement);

// 12345 -> "12,345".
std::string GroupDigits(int64_t number);

// `text` in double quotes, as JSON wants it.
std::string JsonString(const std::string& text);

}  // namespace myonly::tools

#endif  // MYONLY_TOOLS_MYONLY_REPORT_H_
