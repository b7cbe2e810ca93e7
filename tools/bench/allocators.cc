#include "tools/bench/allocators.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "tools/myonly/launch.h"

namespace myonly::bench {
namespace {

namespace fs = std::filesystem;

struct Peer {
  const char* name;
  const char* package;
  std::vector<const char*> files;  // the best first
};

const std::vector<Peer>& Peers() {
  static const std::vector<Peer> peers = {
      {"jemalloc", "libjemalloc2", {"libjemalloc.so.2"}},
      {"tcmalloc",
       "libtcmalloc-minimal4",
       {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4"}},
      {"mimalloc",
       "libmimalloc2.0",
       {"libmimalloc.so.2", "libmimalloc.so.2.0", "libmimalloc.so.3"}},
  };
  return peers;
}

std::string FindLibrary(const Peer& peer) {
  utsname system{};
  uname(&system);
  const std::string multiarch = std::string(system.machine) + "-linux-gnu";
  const std::vector<std::string> folders = {
      "/usr/local/lib", "/usr/lib/" + multiarch, "/usr/lib64", "/usr/lib"};
  for (const char* file : peer.files) {
    for (const std::string& folder : folders) {
      std::string full = folder + "/" + file;
      std::error_code error;
      if (fs::exists(full, error)) return full;
    }
  }
  return "";
}

bool AptGet(const std::vector<std::string>& words) {
  tools::LaunchSpec launch;
  launch.path = "/usr/bin/apt-get";
  launch.arguments = {"apt-get"};
  launch.arguments.insert(launch.arguments.end(), words.begin(), words.end());
  launch.environment = {{"DEBIAN_FRONTEND", "noninteractive"}};
  launch.fresh_input = true;
  launch.quiet = true;
  const tools::LaunchResult result = tools::Launch(launch);
  return result.error == 0 && result.exit_code == 0;
}

// False if it isn't ours to install, or failed.
bool Install(const Peer& peer) {
  const char* bootstrap = std::getenv("MYONLY_BOOTSTRAP");
  const bool refused = bootstrap != nullptr && std::string(bootstrap) == "0";
  if (refused || geteuid() != 0 || access("/usr/bin/apt-get", X_OK) != 0) {
    return false;
  }
  std::fprintf(stderr, "bench: installing Debian's package %s\n", peer.package);
  const std::vector<std::string> install = {
      "install", "-y", "--no-install-recommends", peer.package};
  return AptGet(install) || (AptGet({"update"}) && AptGet(install));
}

std::string ResolvePeer(const Peer& peer, Allocator* allocator) {
  allocator->path = FindLibrary(peer);
  if (allocator->path.empty() && Install(peer)) {
    allocator->path = FindLibrary(peer);
  }
  if (!allocator->path.empty()) return "";
  return "--allocator=" + allocator->name +
         ": not found; install it (apt-get "
         "install " +
         peer.package + ") or say --allocator=" + allocator->name + "=PATH.so";
}

}  // namespace

std::string ResolveAllocator(const std::string& myonly_library,
                             Allocator* allocator) {
  const bool by_name = allocator->path.empty();
  const std::string given = by_name ? allocator->name : allocator->path;
  for (const Peer& peer : Peers()) {
    if (given == peer.name) return ResolvePeer(peer, allocator);
  }
  if (given == "glibc") {
    allocator->path.clear();
    return "";
  }
  if (given == "myonly") {
    allocator->path = myonly_library;
    return "";
  }
  if (by_name) {
    return "--allocator=" + given +
           ": only jemalloc, tcmalloc and mimalloc are known by name; others "
           "are given as NAME=PATH.so";
  }
  std::error_code error;
  if (!fs::is_regular_file(given, error)) {
    return "--allocator=" + allocator->name + "=" + given + ": no such library";
  }
  allocator->path = fs::absolute(given, error).string();
  return "";
}

}  // namespace myonly::bench
