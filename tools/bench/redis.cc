#include "tools/bench/redis.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tools/bench/programs.h"

namespace myonly::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Sends `request`, which the server answers or not. False if it isn't there.
bool Send(const std::string& socket_path, const std::string& request) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (file < 0) return false;
  bool sent = connect(file, reinterpret_cast<sockaddr*>(&address),
                      sizeof(address)) == 0;
  if (sent) {
    sent = send(file, request.data(), request.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(request.size());
    char answer[64];
    [[maybe_unused]] const ssize_t size = read(file, answer, sizeof(answer));
  }
  close(file);
  return sent;
}

// A thread that plays the client until the server is done or has died.
class Client {
 public:
  Client(std::string program, std::string socket_path, double scale)
      : program_(std::move(program)),
        socket_path_(std::move(socket_path)),
        requests_(std::to_string(static_cast<int>(150000 * scale) + 100)),
        thread_([this] { Work(); }) {}
  ~Client() { Stop(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Stop() {
    server_ended_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // After Stop:
  double seconds() const { return seconds_; }
  bool succeeded() const { return exit_status_ == 0; }

 private:
  void Work() {
    while (!server_ended_ && !Send(socket_path_, "PING\r\n")) Nap();
    if (server_ended_) return;
    const auto start = Clock::now();
    exit_status_ = Benchmark();
    seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
    Send(socket_path_, "SHUTDOWN NOSAVE\r\n");
  }

  int Benchmark() {
    std::vector<std::string> words = {"redis-benchmark",
                                      "-s",
                                      socket_path_,
                                      "-q",
                                      "-n",
                                      requests_,
                                      "-r",
                                      "100000",
                                      "-d",
                                      "200",
                                      "-P",
                                      "16",
                                      "-c",
                                      "20",
                                      "-t",
                                      "set,get,incr,lpush,lpop,sadd,hset"};
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const int target : {1, 2}) {
      posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_WRONLY,
                                       0);
    }
    pid_t pid = 0;
    const int error = posix_spawn(&pid, program_.c_str(), &actions, nullptr,
                                  argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return -1;
    int status = -1;
    while (waitpid(pid, &status, WNOHANG) == 0) {
      if (server_ended_) kill(pid, SIGKILL);
      Nap();
    }
    return status;
  }

  static void Nap() { usleep(1000); }

  const std::string program_;
  const std::string socket_path_;
  const std::string requests_;
  std::atomic<bool> server_ended_{false};
  int exit_status_ = -1;
  double seconds_ = 0;
  std::thread thread_;  // last: it uses the others
};

}  // namespace

tools::LaunchResult RunRedis(tools::LaunchSpec launch,
                             const std::string& folder, double scale,
                             std::string* why) {
  std::string client_path;
  *why = FindInstalled("redis-server", &launch.path);
  if (why->empty()) *why = FindInstalled("redis-benchmark", &client_path);
  if (!why->empty()) return {};
  const std::string socket_path = folder + "/redis.socket";
  unlink(socket_path.c_str());
  launch.folder = folder;
  launch.arguments = {"redis-server", "--port",      "0",  "--unixsocket",
                      socket_path,    "--save",      "",   "--appendonly",
                      "no",           "--daemonize", "no", "--loglevel",
                      "warning"};
  Client client(client_path, socket_path, scale);
  tools::LaunchResult result = tools::Launch(launch);
  client.Stop();
  if (client.succeeded()) {
    result.wall_seconds = client.seconds();
  } else if (result.signal == 0 && !result.timed_out) {
    *why = "redis-benchmark failed";
  }
  return result;
}

std::string WhyNoRedis() {
  std::string path;
  const std::string why = FindInstalled("redis-server", &path);
  return why.empty() ? FindInstalled("redis-benchmark", &path) : why;
}

}  // namespace myonly::bench
