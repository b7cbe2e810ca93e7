// Where a measured program runs.
#ifndef MYONLY_TOOLS_MYONLY_ONE_PROCESSOR_H_
#define MYONLY_TOOLS_MYONLY_ONE_PROCESSOR_H_

namespace myonly::tools {

// The one, of those that the calling thread may run on, that is quickest at the
// moment at storing and loading a word; of the first 16 of them. -1: the system
// doesn't tell. Takes a millisecond or so.
//
// Processors of a virtual machine differ, and from hour to hour: on one whose
// twin worked for somebody else a pair of malloc and free took half as long
// again, and a short program ends where it began.
int QuickestProcessor();

// The calling thread, and what it starts, stays there. False: the system
// refuses.
bool StayOnProcessor(int processor);

}  // namespace myonly::tools

#endif  // MYONLY_TOOLS_MYONLY_ONE_PROCESSOR_H_
