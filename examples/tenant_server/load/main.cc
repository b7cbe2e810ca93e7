// Drives one tenant over its limit and looks at what the others notice.
//
// Four tenants make requests at a fixed rate all the time: values of 2 KB
// written and read, texts of 4 KB counted. First they are alone; then a fifth
// one, the crowder, writes 64 KiB at a time, within its limit; then it does the
// same at the same rate, but keeps all of it and so is refused. Then it is
// dropped. Between the second and the third part nothing differs but that.
//
// All of it happens several times, so that what else the machine does falls
// into all parts, and once before that doesn't count: threads and caches warm.

#include <httplib.h>
#include <signal.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "examples/tenant_server/load/server_process.h"
#include "examples/tenant_server/load/traffic.h"
#include "tools/myonly/runfiles.h"

namespace myonly::tenant_server {
namespace {

constexpr int kOthers = 4;
constexpr double kRate = 200;  // of each tenant
constexpr uint64_t kKeys = 500;
constexpr size_t kValueBytes = 2000;
constexpr size_t kTextBytes = 4000;
constexpr size_t kCrowderBytes = size_t{64} << 10;
constexpr uint64_t kCrowderKeysWithin = 16;
constexpr uint64_t kMostResidentChange = uint64_t{8} << 20;

enum class Crowder { kAbsent, kWithin, kOver };

struct Part {
  const char* name;
  Crowder crowder;
  Traffic others = {};
  Traffic crowd = {};
  // At its end, the last time.
  uint64_t others_charged_bytes = 0;
  uint64_t resident_bytes = 0;
};

struct Measured {
  Part alone = {"alone", Crowder::kAbsent};
  Part within = {"with one within its limit", Crowder::kWithin};
  Part over = {"with one over its limit", Crowder::kOver};
  uint64_t resident_bytes = 0;  // when that one was dropped
  std::string answer;           // to that
};

std::string Other(int number) {
  return "/tenants/other" + std::to_string(number);
}

int CodeOf(const httplib::Result& result) {
  return result ? result->status : -1;
}

// The first number behind `"name":` in `json`.
uint64_t NumberIn(const std::string& json, const std::string& name) {
  const size_t at = json.find("\"" + name + "\":");
  if (at == std::string::npos) return 0;
  return std::strtoull(json.c_str() + at + name.size() + 3, nullptr, 10);
}

// A text of words, some more frequent than others.
std::string SomeText() {
  std::string text;
  for (uint32_t word = 1; text.size() < kTextBytes; ++word) {
    text += "word" + std::to_string(word * word % 97) + " ";
  }
  return text;
}

MakeRequest OtherRequests(int number) {
  return [path = Other(number), value = std::string(kValueBytes, 'v'),
          text = SomeText()](httplib::Client& client, uint64_t request) {
    constexpr const char* kType = "text/plain";
    const std::string key = path + "/keys/" + std::to_string(request % kKeys);
    if (request % 10 == 9) {
      return CodeOf(client.Post(path + "/words", text, kType));
    }
    // The key that is read was written by the pass before.
    if (request % 2 == 1) return CodeOf(client.Get(key));
    return CodeOf(client.Put(key, value, kType));
  };
}

MakeRequest CrowderRequests(Crowder crowder) {
  return [crowder, value = std::string(kCrowderBytes, 'c')](
             httplib::Client& client, uint64_t request) {
    const uint64_t key =
        crowder == Crowder::kWithin ? request % kCrowderKeysWithin : request;
    return CodeOf(client.Put("/tenants/crowder/keys/" + std::to_string(key),
                             value, "text/plain"));
  };
}

uint64_t OthersChargedBytes(int port) {
  httplib::Client client("127.0.0.1", port);
  uint64_t bytes = 0;
  for (int i = 0; i < kOthers; ++i) {
    const httplib::Result result = client.Get(Other(i));
    if (result) bytes += NumberIn(result->body, "charged_bytes");
  }
  return bytes;
}

void RunPart(const ServerProcess& server, double seconds, Part* part) {
  std::vector<Traffic> traffic(kOthers);
  std::vector<std::thread> threads;
  for (int i = 0; i < kOthers; ++i) {
    threads.emplace_back([&, i] {
      traffic[static_cast<size_t>(i)] =
          Run(server.port(), kRate, seconds, OtherRequests(i));
    });
  }
  if (part->crowder != Crowder::kAbsent) {
    part->crowd.Add(
        Run(server.port(), kRate, seconds, CrowderRequests(part->crowder)));
  }
  for (std::thread& thread : threads) thread.join();
  for (const Traffic& of_one : traffic) part->others.Add(of_one);
  part->others_charged_bytes = OthersChargedBytes(server.port());
  part->resident_bytes = server.ResidentBytes();
}

void RunParts(const ServerProcess& server, double seconds, Measured* measured) {
  RunPart(server, seconds, &measured->alone);
  RunPart(server, seconds, &measured->within);
  RunPart(server, seconds, &measured->over);
  httplib::Client client("127.0.0.1", server.port());
  const httplib::Result dropped = client.Delete("/tenants/crowder");
  measured->resident_bytes = server.ResidentBytes();
  measured->answer = dropped ? dropped->body : "none";
}

// Every key of the others once, so that all parts find the same.
bool Fill(int port) {
  httplib::Client client("127.0.0.1", port);
  client.set_keep_alive(true);
  client.set_tcp_nodelay(true);
  for (int i = 0; i < kOthers; ++i) {
    for (uint64_t key = 0; key < kKeys; ++key) {
      const std::string path = Other(i) + "/keys/" + std::to_string(key);
      const std::string value(kValueBytes, 'v');
      if (CodeOf(client.Put(path, value, "text/plain")) != 201) return false;
    }
  }
  return true;
}

double Mebibytes(uint64_t bytes) {
  return static_cast<double>(bytes) / 1048576;
}

void PrintPart(Part& part) {
  std::printf(
      "%-26s %8.2f %8.2f %7llu %7llu %14llu %9llu %8llu %9.1f\n", part.name,
      part.others.Quantile(0.5), part.others.Quantile(0.99),
      static_cast<unsigned long long>(part.others.well),
      static_cast<unsigned long long>(part.others.refused + part.others.failed),
      static_cast<unsigned long long>(part.others_charged_bytes),
      static_cast<unsigned long long>(part.crowd.well),
      static_cast<unsigned long long>(part.crowd.refused),
      Mebibytes(part.resident_bytes));
}

int failures = 0;

void Expect(bool holds, const char* what) {
  std::printf("%-6s %s\n", holds ? "ok" : "FAILED", what);
  if (!holds) ++failures;
}

void Print(Measured& measured) {
  std::printf("%-26s %41s %37s\n%-26s %8s %8s %7s %7s %14s %9s %8s %9s\n", "",
              "the others", "the crowder", "", "p50 ms", "p99 ms", "well",
              "not", "charged bytes", "well", "507", "RSS MiB");
  PrintPart(measured.alone);
  PrintPart(measured.within);
  PrintPart(measured.over);
  std::printf("%-26s %84.1f\n", "that one dropped",
              Mebibytes(measured.resident_bytes));
  std::printf("answer: %s\n\n", measured.answer.c_str());
}

void Judge(const Measured& measured) {
  const auto& alone = measured.alone;
  const auto& within = measured.within;
  const auto& over = measured.over;
  Expect(alone.others.failed + within.others.failed + over.others.failed == 0,
         "no request of the others failed");
  Expect(
      alone.others.refused + within.others.refused + over.others.refused == 0,
      "none was refused");
  Expect(within.crowd.refused == 0,
         "within its limit the crowder isn't either");
  Expect(over.crowd.refused > 0 && over.crowd.failed == 0,
         "over its limit it is, with 507");
  Expect(alone.others_charged_bytes == over.others_charged_bytes,
         "the others are charged to the byte what they were before");
  Expect(measured.resident_bytes < alone.resident_bytes + kMostResidentChange,
         "the crowder's memory is back with the system, but for 8 MiB");
}

// Stores the number behind "NAME=", if `argument` is that and above 0.
bool Take(const std::string& argument, const std::string& name,
          double* number) {
  if (argument.rfind(name + "=", 0) != 0) return false;
  *number = std::atof(argument.c_str() + name.size() + 1);
  return *number > 0;
}

int Main(const std::vector<std::string>& arguments) {
  double seconds = 4;
  double rounds = 3;
  for (const std::string& argument : arguments) {
    if (Take(argument, "--seconds", &seconds)) continue;
    if (Take(argument, "--rounds", &rounds)) continue;
    std::printf(
        "Starts a tenant server and drives one tenant over its limit.\n\n"
        "  tools/bazel run //examples/tenant_server/load -- OPTIONS\n\n"
        "  --seconds=N  each of the three parts of a round takes so long (4)\n"
        "  --rounds=N   rounds that count (3)\n");
    return argument == "--help" ? 0 : 2;
  }
  ServerProcess server(
      tools::FindRunfile("examples/tenant_server/tenant_server"),
      {"--tenant-limit-mb=32", "--threads=8"});
  if (server.port() == 0 || !Fill(server.port())) {
    std::fprintf(stderr, "load: the server doesn't work\n");
    return 1;
  }
  Measured warm_up;
  RunParts(server, seconds, &warm_up);
  Measured measured;
  for (int round = 0; round < rounds; ++round) {
    RunParts(server, seconds, &measured);
  }
  Print(measured);
  Judge(measured);
  Expect(server.Stop(SIGTERM) == 0, "the server ended well");
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace myonly::tenant_server

int main(int argc, char** argv) {
  return myonly::tenant_server::Main(
      std::vector<std::string>(argv + 1, argv + argc));
}
