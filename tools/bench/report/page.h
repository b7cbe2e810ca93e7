// Writes the page that shows the figures of a benchmark: one HTML file that
// holds its data, style, scripts and chart library and asks for nothing else.
//
// The parts of the page are files beside this one. The chart library comes
// from npm on first use, through tools/bench/report/install, into the user's
// cache. Not for use by several threads at once: it starts a child.
#ifndef MYONLY_TOOLS_BENCH_REPORT_PAGE_H_
#define MYONLY_TOOLS_BENCH_REPORT_PAGE_H_

#include <string>

namespace myonly::bench {

// `json` is what //tools/bench writes by --json. False, with one or more lines
// of why in `error`, where the library can't be had or `file` not written.
bool WriteReportPage(const std::string& json, const std::string& file,
                     std::string* error);

// `json` with each "<" written as \u003c. It means the same, and no end of a
// script or start of a comment is left that would end or open something in
// HTML: in JSON "<" is found in strings only.
std::string EscapeJsonForHtml(const std::string& json);

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_REPORT_PAGE_H_
