// Requests of one tenant at a fixed rate, and how long they took.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_LOAD_TRAFFIC_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_LOAD_TRAFFIC_H_

#include <httplib.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace myonly::tenant_server {

struct Traffic {
  std::vector<double> milliseconds;  // from when it was due to its answer
  uint64_t well = 0;                 // 2xx
  uint64_t refused = 0;              // 507
  uint64_t failed = 0;               // anything else

  void Add(const Traffic& other);
  // The quantile `part` (0.99), 0 if there are none. Sorts.
  double Quantile(double part);
};

// Makes request number 0, 1, ...; the answer's status code, or -1.
using MakeRequest = std::function<int(httplib::Client&, uint64_t number)>;

// Makes requests one after another over one connection, `rate` of them each
// second for `seconds`. A request that is late because the one before took long
// was due all the same.
Traffic Run(int port, double rate, double seconds, const MakeRequest& request);

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_LOAD_TRAFFIC_H_
