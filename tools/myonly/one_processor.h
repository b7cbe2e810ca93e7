// Where a measured program runs.
#ifndef MYONLY_TOOLS_MYONLY_ONE_PROCESSOR_H_
#define MYONLY_TOOLS_MYONLY_ONE_PROCESSOR_H_

namespace myonly::tools {

// The calling thread, and what it starts, stays on the first processor that it
// may run on. Processors of a virtual machine differ: one whose twin works for
// somebody else took half as long again for a pair of malloc and free, and a
// short program ends where it began. False: the system refuses.
bool StayOnOneProcessor();

}  // namespace myonly::tools

#endif  // MYONLY_TOOLS_MYONLY_ONE_PROCESSOR_H_
