// The tenant server: options, start, and a clean end.

#include <httplib.h>
#include <signal.h>

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "examples/tenant_server/options.h"
#include "examples/tenant_server/routes.h"
#include "examples/tenant_server/service.h"
#include "examples/tenant_server/workers.h"

namespace {

using myonly::tenant_server::Options;
using myonly::tenant_server::Service;

constexpr const char* kHost = "127.0.0.1";
constexpr size_t kMostBodyBytes = size_t{1} << 30;
constexpr size_t kRequestsOfAConnection = 1000000;
// An idle connection keeps its thread so long, and the end waits for it.
constexpr time_t kIdleSeconds = 2;

void Configure(const Options& options, httplib::Server* server) {
  const auto threads = static_cast<size_t>(options.threads);
  server->new_task_queue = [threads] {
    return new myonly::tenant_server::Workers(threads);
  };
  server->set_keep_alive_max_count(kRequestsOfAConnection);
  server->set_keep_alive_timeout(kIdleSeconds);
  server->set_payload_max_length(kMostBodyBytes);
  // An answer is written in two parts; the second doesn't wait.
  server->set_tcp_nodelay(true);
}

// The port, or -1.
int Bind(const Options& options, httplib::Server* server) {
  if (options.port == 0) return server->bind_to_any_port(kHost);
  const int port = static_cast<int>(options.port);
  return server->bind_to_port(kHost, port) ? port : -1;
}

int Run(const Options& options) {
  // For all threads: one of these waits in sigwait, and nobody is interrupted.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Service service(options);
  if (service.status() != MYONLY_OK) {
    std::fprintf(stderr, "tenant_server: no arena: %s\n",
                 myonly_status_str(service.status()));
    return 1;
  }
  httplib::Server server;
  Configure(options, &server);
  AddRoutes(&service, &server);
  const int port = Bind(options, &server);
  if (port < 0) {
    std::fprintf(stderr, "tenant_server: port %ld is taken; see --port\n",
                 options.port);
    return 1;
  }
  std::thread listener([&server] { server.listen_after_bind(); });
  std::printf("http://%s:%d/\n", kHost, port);
  std::fflush(stdout);

  int signal_number = 0;
  sigwait(&signals, &signal_number);
  while (!server.is_running()) std::this_thread::yield();
  server.stop();
  listener.join();
  const bool is_empty = service.Close();
  std::printf("stopped after %llu requests; %s\n",
              static_cast<unsigned long long>(service.requests),
              is_empty ? "all arenas are empty" : "an arena is not empty");
  return is_empty ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const std::string error = myonly::tenant_server::ParseOptions(
      std::vector<std::string>(argv + 1, argv + argc), &options);
  if (!error.empty()) {
    std::fprintf(stderr, "tenant_server: %s\n", error.c_str());
    return 2;
  }
  if (options.help) {
    std::fputs(myonly::tenant_server::Usage().c_str(), stdout);
    return 0;
  }
  return Run(options);
}
