// The tenant server as a child, on a port of its own.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_LOAD_SERVER_PROCESS_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_LOAD_SERVER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace myonly::tenant_server {

// Not thread-safe.
class ServerProcess {
 public:
  // Starts `program` with --port=0 and `arguments`, and waits until it tells
  // where it is. port() is 0 if that failed.
  ServerProcess(const std::string& program,
                const std::vector<std::string>& arguments);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  int port() const { return port_; }
  std::string url() const;
  // Memory that it has now.
  uint64_t ResidentBytes() const;

  // Asks it to end by `signal_number`. The exit code, or -1; what it printed
  // after its address is in last_words().
  int Stop(int signal_number);
  const std::string& last_words() const { return last_words_; }

 private:
  std::string ReadLine();

  pid_t pid_ = -1;
  int output_ = -1;
  int port_ = 0;
  std::string last_words_;
};

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_LOAD_SERVER_PROCESS_H_
