// The workload redis: a server on the allocator, its clients on the system's.
#ifndef MYONLY_TOOLS_BENCH_REDIS_H_
#define MYONLY_TOOLS_BENCH_REDIS_H_

#include <string>

#include "tools/myonly/launch.h"

namespace myonly::bench {

// Starts the server as `launch` says (its environment and files), in the empty
// folder `folder`, sends it the usual requests and ends it. The result is the
// server's, but its wall time is that of the requests. Stores in `why` what
// went wrong with the client, or "".
tools::LaunchResult RunRedis(tools::LaunchSpec launch,
                             const std::string& folder, double scale,
                             std::string* why);

// Why it can't be run, or "".
std::string WhyNoRedis();

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_REDIS_H_
