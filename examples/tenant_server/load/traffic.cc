#include "examples/tenant_server/load/traffic.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace myonly::tenant_server {

using Clock = std::chrono::steady_clock;

void Traffic::Add(const Traffic& other) {
  milliseconds.insert(milliseconds.end(), other.milliseconds.begin(),
                      other.milliseconds.end());
  well += other.well;
  refused += other.refused;
  failed += other.failed;
}

double Traffic::Quantile(double part) {
  if (milliseconds.empty()) return 0;
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto last = static_cast<double>(milliseconds.size() - 1);
  return milliseconds[static_cast<size_t>(part * last)];
}

Traffic Run(int port, double rate, double seconds, const MakeRequest& request) {
  httplib::Client client("127.0.0.1", port);
  client.set_keep_alive(true);
  client.set_tcp_nodelay(true);
  Traffic traffic;
  const auto requests = static_cast<uint64_t>(rate * seconds);
  const auto start = Clock::now();
  for (uint64_t number = 0; number < requests; ++number) {
    const auto due =
        start +
        std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(static_cast<double>(number) / rate));
    std::this_thread::sleep_until(due);
    const int code = request(client, number);
    const std::chrono::duration<double, std::milli> took = Clock::now() - due;
    traffic.milliseconds.push_back(took.count());
    if (code >= 200 && code < 300) {
      ++traffic.well;
    } else if (code == 507) {
      ++traffic.refused;
    } else {
      ++traffic.failed;
    }
  }
  return traffic;
}

}  // namespace myonly::tenant_server
