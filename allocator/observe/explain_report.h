// An explanation of an arena (arena/explain.h) as text and as JSON.
#ifndef MYONLY_ALLOCATOR_OBSERVE_EXPLAIN_REPORT_H_
#define MYONLY_ALLOCATOR_OBSERVE_EXPLAIN_REPORT_H_

#include "allocator/arena/explain.h"
#include "allocator/observe/report_writer.h"

namespace myonly::internal {

void WriteText(const Explanation& explanation, ReportWriter* out);

// One object; no line breaks but at its end.
void WriteJson(const Explanation& explanation, ReportWriter* out);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_OBSERVE_EXPLAIN_REPORT_H_
