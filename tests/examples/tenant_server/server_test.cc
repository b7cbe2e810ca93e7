// The tenant server as its users meet it: a process of its own, by HTTP.

#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "examples/tenant_server/load/server_process.h"
#include "tests/support/runfiles.h"

namespace myonly::tenant_server {
namespace {

constexpr const char* kText = "text/plain";
constexpr uint64_t kMiB = uint64_t{1} << 20;

struct Answer {
  int code = -1;
  std::string body;
};

Answer AnswerOf(const httplib::Result& result) {
  if (!result) return {};
  return {result->status, result->body};
}

// The first number behind `"name":`.
uint64_t NumberIn(const std::string& json, const std::string& name) {
  const size_t at = json.find("\"" + name + "\":");
  EXPECT_NE(at, std::string::npos) << name << " in " << json;
  if (at == std::string::npos) return 0;
  return std::strtoull(json.c_str() + at + name.size() + 3, nullptr, 10);
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class ServerTest : public ::testing::Test {
 protected:
  explicit ServerTest(std::vector<std::string> arguments =
                          {"--tenant-limit-mb=8", "--request-limit-mb=4"})
      : server_(testing::RunfilePath("examples/tenant_server/tenant_server"),
                arguments),
        client_("127.0.0.1", server_.port()) {
    client_.set_keep_alive(true);
    client_.set_tcp_nodelay(true);
  }
  void SetUp() override { ASSERT_NE(server_.port(), 0); }

  Answer Put(const std::string& path, const std::string& text = "") {
    return AnswerOf(client_.Put(path, text, kText));
  }
  Answer Get(const std::string& path) { return AnswerOf(client_.Get(path)); }
  Answer Delete(const std::string& path) {
    return AnswerOf(client_.Delete(path));
  }
  Answer Words(const std::string& tenant, const std::string& text) {
    return AnswerOf(client_.Post("/tenants/" + tenant + "/words", text, kText));
  }
  uint64_t Figure(const std::string& tenant, const std::string& name) {
    return NumberIn(Get("/tenants/" + tenant).body, name);
  }
  // Kept values of 64 KiB until one is refused. How many there are.
  int FillUp(const std::string& tenant) {
    int count = 0;
    while (Put(Key(tenant, count), std::string(65536, 'x')).code < 300) {
      ++count;
    }
    return count;
  }
  static std::string Key(const std::string& tenant, int key) {
    return "/tenants/" + tenant + "/keys/" + std::to_string(key);
  }

  ServerProcess server_;
  httplib::Client client_;
};

// --- Keys and texts ---

TEST_F(ServerTest, KeepsValuesOfAnyBytes) {
  std::string value;
  for (int i = 0; i < 256 * 400; ++i) value += static_cast<char>(i);
  EXPECT_EQ(Put("/tenants/a/keys/x", value).code, 201);
  EXPECT_EQ(Get("/tenants/a/keys/x").body, value);
  EXPECT_EQ(Put("/tenants/a/keys/x", "small").code, 200);
  EXPECT_EQ(Get("/tenants/a/keys/x").body, "small");
  EXPECT_EQ(Put("/tenants/a/keys/x", "").code, 200);
  EXPECT_EQ(Get("/tenants/a/keys/x").code, 200);
  EXPECT_EQ(Get("/tenants/a/keys/x").body, "");
  EXPECT_EQ(Delete("/tenants/a/keys/x").code, 200);
  EXPECT_EQ(Get("/tenants/a/keys/x").code, 404);
  EXPECT_EQ(Delete("/tenants/a/keys/x").code, 404);
}

TEST_F(ServerTest, TenantsDoNotSeeEachOther) {
  Put("/tenants/a/keys/x", "of a");
  Put("/tenants/b/keys/x", "of b");
  EXPECT_EQ(Get("/tenants/a/keys/x").body, "of a");
  EXPECT_EQ(Get("/tenants/b/keys/x").body, "of b");
  EXPECT_EQ(Delete("/tenants/a").code, 200);
  EXPECT_EQ(Get("/tenants/a/keys/x").code, 404);
  EXPECT_EQ(Get("/tenants/b/keys/x").body, "of b");
}

TEST_F(ServerTest, ListsKeysByPrefix) {
  Put("/tenants/a/keys/dir/one", "1");
  Put("/tenants/a/keys/dir/t%22wo?cache=1", "22");
  Put("/tenants/a/keys/other", "333");
  EXPECT_EQ(Get("/tenants/a/keys?prefix=dir/").body,
            R"({"keys":[{"key":"dir/one","bytes":1,"kind":"kept"},)"
            R"({"key":"dir/t\"wo","bytes":2,"kind":"cache"}]})");
  EXPECT_EQ(Get("/tenants/a/keys?limit=1&prefix=o").body,
            R"({"keys":[{"key":"other","bytes":3,"kind":"kept"}]})");
  EXPECT_EQ(Get("/tenants/a/keys?limit=0").code, 400);
}

TEST_F(ServerTest, CountsWords) {
  const Answer answer = Words("a", "To be, or not to be");
  EXPECT_EQ(answer.code, 200);
  EXPECT_EQ(answer.body,
            R"({"words":6,"different_words":4,"top":[{"word":"be","count":2},)"
            R"({"word":"to","count":2},{"word":"not","count":1},)"
            R"({"word":"or","count":1}]})");
  EXPECT_EQ(NumberIn(Words("a", "").body, "words"), 0U);
}

TEST_F(ServerTest, SaysWhatIsWrong) {
  EXPECT_EQ(Get("/tenants/a").code, 404);
  EXPECT_EQ(Get("/nothing").code, 404);
  EXPECT_EQ(Put("/tenants/a%20b").code, 400);
  EXPECT_EQ(Put("/tenants/a?limit_mb=x").code, 400);
  EXPECT_EQ(Put("/tenants/a/keys/" + std::string(600, 'k'), "v").code, 400);
  EXPECT_EQ(Put("/tenants/a/keys/k?cache=7", "v").code, 400);
  const std::string form =
      "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ntext\r\n"
      "--b--\r\n";
  const httplib::Result posted =
      client_.Post("/tenants/a/words", form, "multipart/form-data; boundary=b");
  EXPECT_EQ(AnswerOf(posted).code, 415);
  // The connection goes on after each of them.
  EXPECT_EQ(Put("/tenants/a/keys/k", "v").code, 201);
}

TEST_F(ServerTest, ALengthThatIsNoneIsNotTakenForOne) {
  for (const char* length : {"abc", "-5", "2x", "99999999999999999999999"}) {
    httplib::Client client("127.0.0.1", server_.port());
    const httplib::Headers headers = {{"Content-Length", length}};
    const httplib::Result result =
        client.Put("/tenants/a/keys/k", headers, "hi", kText);
    EXPECT_EQ(AnswerOf(result).code, 400) << length;
    EXPECT_TRUE(Contains(AnswerOf(result).body, "Content-Length")) << length;
  }
  EXPECT_EQ(Get("/tenants/a/keys/k").code, 404);
}

// --- Limits ---

TEST_F(ServerTest, AFullTenantIsRefusedWithAReasonAndOthersDoNotNotice) {
  Put("/tenants/other/keys/x", "value");
  const uint64_t other_charged = Figure("other", "charged_bytes");
  const int kept = FillUp("full");
  EXPECT_GT(kept, 110);  // of 64 KiB in 8 MiB
  const Answer refused = Put(Key("full", 1000), std::string(65536, 'x'));
  EXPECT_EQ(refused.code, 507);
  EXPECT_TRUE(Contains(refused.body, R"("error":"quota")")) << refused.body;
  EXPECT_TRUE(Contains(refused.body, R"("arena":"tenant/full")"));
  EXPECT_EQ(NumberIn(refused.body, "limit_bytes"), 8 * kMiB);
  EXPECT_LE(NumberIn(refused.body, "charged_bytes"), 8 * kMiB);
  EXPECT_GE(Figure("full", "refused_requests"), 2U);

  EXPECT_EQ(Figure("other", "charged_bytes"), other_charged);
  EXPECT_EQ(Figure("other", "refused_requests"), 0U);
  EXPECT_EQ(Put("/tenants/other/keys/y", std::string(kMiB, 'y')).code, 201);
  // It can be looked at and emptied.
  EXPECT_EQ(Get(Key("full", 0)).body, std::string(65536, 'x'));
  EXPECT_EQ(Get("/tenants/full/keys").code, 200);
  EXPECT_EQ(Delete(Key("full", 0)).code, 200);
  EXPECT_EQ(Delete(Key("full", 1)).code, 200);
  EXPECT_EQ(Put(Key("full", 0), std::string(65536, 'x')).code, 201);
}

TEST_F(ServerTest, ATenantThatIsDroppedIsBackWithTheSystem) {
  Put("/tenants/other/keys/x", "value");
  Put(Key("full", 0), "x");
  const uint64_t before = server_.ResidentBytes();
  Put("/tenants/full?limit_mb=64");
  const int kept = FillUp("full");
  EXPECT_GT(kept, 900);
  const uint64_t full = server_.ResidentBytes();
  EXPECT_GT(full, before + 56 * kMiB);
  const Answer dropped = Delete("/tenants/full");
  EXPECT_EQ(dropped.code, 200);
  EXPECT_TRUE(Contains(dropped.body, R"("state":"destroyed")"));
  EXPECT_GT(NumberIn(dropped.body, "returned_bytes"), 58 * kMiB);
  EXPECT_LT(server_.ResidentBytes(), before + 8 * kMiB);
  EXPECT_EQ(Delete("/tenants/full").code, 404);
  EXPECT_EQ(Get("/tenants/other/keys/x").body, "value");
}

TEST_F(ServerTest, CacheEntriesGoInsteadOfBeingRefused) {
  Put("/tenants/a/keys/kept", "stays");
  for (int i = 0; i < 300; ++i) {
    const std::string key = Key("a", i) + "?cache=1";
    ASSERT_EQ(Put(key, std::string(65536, 'x')).code, 201) << i;
  }
  EXPECT_GT(Figure("a", "evicted_entries"), 180U);
  EXPECT_LE(Figure("a", "charged_bytes"), 6 * kMiB);
  EXPECT_EQ(Get(Key("a", 0)).code, 404);
  EXPECT_EQ(Get(Key("a", 299)).code, 200);
  EXPECT_EQ(Get("/tenants/a/keys/kept").body, "stays");
  // Kept entries push them out, too, until there are none.
  EXPECT_GT(FillUp("a"), 110);
  EXPECT_EQ(Figure("a", "cache_entries"), 0U);
}

TEST_F(ServerTest, ARequestHasALimitOfItsOwn) {
  const Answer large = Words("a", std::string(5 * kMiB, 'x'));
  EXPECT_EQ(large.code, 507);
  EXPECT_TRUE(Contains(large.body, R"("arena":"request")")) << large.body;
  std::string text;  // each word another one: the table of them is too large
  for (int i = 0; i < 150000; ++i) text += std::to_string(i) + " ";
  EXPECT_EQ(Words("a", text).code, 507);
  EXPECT_EQ(Words("a", "small").code, 200);
  EXPECT_LT(Figure("a", "charged_bytes"), 4096U);
}

TEST_F(ServerTest, ALimitMayBeChanged) {
  EXPECT_EQ(Put("/tenants/a?limit_mb=1").code, 201);
  EXPECT_EQ(Put("/tenants/a/keys/x", std::string(2 * kMiB, 'x')).code, 507);
  EXPECT_EQ(Put("/tenants/a?limit_mb=3&soft_percent=50").code, 200);
  EXPECT_EQ(Figure("a", "limit_bytes"), 3 * kMiB);
  EXPECT_EQ(Figure("a", "soft_limit_bytes"), 3 * kMiB / 100 * 50);
  EXPECT_EQ(Put("/tenants/a/keys/x", std::string(2 * kMiB, 'x')).code, 201);
}

TEST_F(ServerTest, ThreadsDriveOneTenantOverItsLimitWhileOthersWork) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  std::atomic<int> refused{0};
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      httplib::Client client("127.0.0.1", server_.port());
      client.set_keep_alive(true);
      client.set_tcp_nodelay(true);
      const bool crowds = t % 2 == 0;
      const std::string tenant = crowds ? "crowder" : "other";
      for (int i = 0; i < 150; ++i) {
        const std::string value(crowds ? 50000 : 500, 'x');
        const int key = t * 1000 + (crowds ? i : i % 10);
        const int code =
            AnswerOf(client.Put(Key(tenant, key), value, kText)).code;
        if (crowds && code == 507) {
          ++refused;
        } else if (code != 201 && code != 200) {
          ++wrong;
        }
        if (!crowds && client.Get(Key(tenant, key))->body != value) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(refused, 200);
  EXPECT_EQ(Figure("other", "kept_entries"), 30U);
  EXPECT_LT(Figure("other", "charged_bytes"), 60000U);
}

// --- What it tells ---

TEST_F(ServerTest, MetricsNameEachTenantsArena) {
  Put("/tenants/a/keys/x", std::string(100000, 'x'));
  const Answer metrics = Get("/metrics");
  EXPECT_EQ(metrics.code, 200);
  for (const char* part : {"# TYPE myonly_arena_live_bytes gauge\n",
                           "myonly_arena_charged_bytes{arena=\"tenant/a\"",
                           "myonly_arena_limit_bytes{arena=\"service\"",
                           "# HELP tenant_server_requests_total ",
                           "tenant_server_requests_total{tenant=\"a\"} 1\n",
                           "tenant_server_kept_entries{tenant=\"a\"} 1\n"}) {
    EXPECT_TRUE(Contains(metrics.body, part)) << part << metrics.body;
  }
}

TEST_F(ServerTest, ExplainAccountsForTheCharge) {
  for (int i = 0; i < 100; ++i) Put(Key("a", i), std::string(3000, 'x'));
  const Answer text = Get("/tenants/a/explain");
  EXPECT_EQ(text.code, 200);
  EXPECT_TRUE(Contains(text.body, "tenant/a")) << text.body;
  EXPECT_TRUE(Contains(text.body, "live")) << text.body;
  const Answer json = Get("/tenants/a/explain?format=json");
  EXPECT_EQ(json.body.substr(0, 1), "{") << json.body;
  EXPECT_EQ(NumberIn(json.body, "charged_bytes"), Figure("a", "charged_bytes"));
  EXPECT_EQ(Get("/tenants/b/explain").code, 404);
}

TEST_F(ServerTest, EndsWellWithEverythingGivenBack) {
  FillUp("a");
  Put("/tenants/b/keys/x", "1");
  client_.stop();
  EXPECT_EQ(server_.Stop(SIGTERM), 0);
  EXPECT_TRUE(Contains(server_.last_words(), "all arenas are empty"))
      << server_.last_words();
}

TEST_F(ServerTest, InterruptEndsItAsWell) {
  EXPECT_EQ(server_.Stop(SIGINT), 0);
}

class PageCountingServerTest : public ServerTest {
 protected:
  PageCountingServerTest()
      : ServerTest({"--tenant-limit-mb=8", "--exact-bytes=0"}) {}
};

TEST_F(PageCountingServerTest, LimitsMayCountPages) {
  const int kept = FillUp("full");
  EXPECT_GT(kept, 60);
  EXPECT_EQ(Put(Key("full", 1000), std::string(65536, 'x')).code, 507);
  const Answer full = Get("/tenants/full");
  EXPECT_LE(NumberIn(full.body, "charged_bytes"), 8 * kMiB);
  EXPECT_GE(NumberIn(full.body, "charged_bytes"), 7 * kMiB);
  EXPECT_EQ(Delete("/tenants/full").code, 200);
  EXPECT_EQ(server_.Stop(SIGTERM), 0);
}

}  // namespace
}  // namespace myonly::tenant_server
