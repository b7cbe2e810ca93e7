// The parts of the tenant server, without HTTP.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "examples/tenant_server/body.h"
#include "examples/tenant_server/json.h"
#include "examples/tenant_server/options.h"
#include "examples/tenant_server/refusal.h"
#include "examples/tenant_server/service.h"
#include "examples/tenant_server/store.h"
#include "examples/tenant_server/tenant.h"
#include "examples/tenant_server/words.h"

namespace myonly::tenant_server {
namespace {

constexpr size_t kMiB = kMebibyte;

// --- Options ---

std::string Parse(const std::vector<std::string>& arguments, Options* options) {
  return ParseOptions(arguments, options);
}

TEST(OptionsTest, ValuesFollowBehindEqualsOrASpace) {
  Options options;
  EXPECT_EQ(Parse({"--port=0", "--threads", "4"}, &options), "");
  EXPECT_EQ(options.port, 0);
  EXPECT_EQ(options.threads, 4);
  EXPECT_EQ(options.tenant_limit_mb, 64);
}

TEST(OptionsTest, WhatIsWrongIsNamed) {
  Options options;
  for (const char* wrong :
       {"--port=", "--port=x", "--port=70000", "--threads=0", "--threads=9z",
        "--nothing=1", "--port"}) {
    const std::string error = Parse({wrong}, &options);
    EXPECT_EQ(error.rfind(std::string(wrong).substr(0, 6), 0), 0U) << error;
  }
  EXPECT_NE(Usage().find("--tenant-limit-mb"), std::string::npos);
}

// --- JSON ---

std::string Quoted(const std::string& text) {
  std::string json;
  Json(&json).String(text);
  return json;
}

TEST(JsonTest, NestsAndSeparates) {
  std::string text;
  Json json(&text);
  json.Open('{').Name("a").Number(5).Name("b").Open('[').Close(']');
  json.Name("c").Open('[').String("x").String("").Number(0).Close(']');
  json.Close('}');
  EXPECT_EQ(text, R"({"a":5,"b":[],"c":["x","",0]})");
}

TEST(JsonTest, KeysOfAnyBytesStayValid) {
  EXPECT_EQ(Quoted("a\"\\\n"), R"("a\"\\\u000a")");
  EXPECT_EQ(Quoted("\xc3\xa4\xf0\x9f\x98\x80"), "\"\xc3\xa4\xf0\x9f\x98\x80\"");
  // A lone byte, half of a pair, too long, cut short.
  EXPECT_EQ(Quoted("\xff"), "\"\xef\xbf\xbd\"");
  EXPECT_EQ(Quoted("\xed\xa0\x80").size(), 2U + 3 * 3);
  EXPECT_EQ(Quoted("\xc0\x80").size(), 2U + 2 * 3);
  EXPECT_EQ(Quoted("\xe2\x82").size(), 2U + 2 * 3);
}

// --- Words ---

TEST(WordsTest, CountsAndRanksThem) {
  const arena of_text("words");
  std::string text = "To be, or not to be: ZW\xc3\xb6LF 12";
  WordCount words(of_text);
  words.Count(text.data(), text.size());
  EXPECT_EQ(words.words(), 8U);
  EXPECT_EQ(words.different_words(), 6U);
  const WordCount::Rows top = words.Top(3);
  ASSERT_EQ(top.size(), 3U);
  EXPECT_EQ(top[0], WordCount::Row("be", 2));
  EXPECT_EQ(top[1], WordCount::Row("to", 2));
  EXPECT_EQ(top[2], WordCount::Row("12", 1));
  words.Count(text.data(), 2);
  EXPECT_EQ(words.words(), 1U);
}

// --- Bodies and stores ---

TEST(BodyTest, ALargeBlockMovesWithItsChargeAndIsNotCopied) {
  const arena tenant("tenant");
  arena_options options;
  options.parent = tenant;
  const arena request(options);
  Body body(request);
  const std::string text(300000, 'x');
  body.Reserve(text.size());
  body.Append(text.data(), text.size());
  const char* before = body.data();
  EXPECT_GT(request.charged(), text.size());
  char* moved = body.MoveTo(tenant);
  ASSERT_EQ(moved, before);
  EXPECT_EQ(request.charged(), 0U);
  EXPECT_EQ(std::string_view(moved, text.size()), text);
  EXPECT_TRUE(body.text().empty());
  arena::deallocate(moved);
  EXPECT_EQ(tenant.charged(), 0U);
}

TEST(BodyTest, ASmallOneStaysForWhoCopiesIt) {
  const arena request("request");
  Body body(request);
  body.Append("abc", 3);
  body.Append("def", 3);
  EXPECT_EQ(body.MoveTo(request), nullptr);
  EXPECT_EQ(body.text(), "abcdef");
}

class StoreTest : public ::testing::Test {
 protected:
  bool Put(const std::string& key, const std::string& text, Kind kind) {
    Body body(arena_);
    body.Append(text.data(), text.size());
    return store_.Put(key, store_.MakeValue(&body), kind);
  }
  std::string Get(const std::string& key) {
    const ValuePtr value = store_.Get(key);
    return value == nullptr ? "none" : std::string(value->text());
  }

  arena arena_{"store"};
  Store store_{arena_};
};

TEST_F(StoreTest, PutsGetsReplacesAndRemoves) {
  EXPECT_TRUE(Put("a", "1", Kind::kKept));
  EXPECT_FALSE(Put("a", "22", Kind::kKept));
  EXPECT_TRUE(Put("", "empty", Kind::kKept));
  EXPECT_EQ(Get("a"), "22");
  EXPECT_EQ(Get(""), "empty");
  EXPECT_EQ(Get("b"), "none");
  EXPECT_EQ(store_.Counts().value_bytes, 7U);
  EXPECT_TRUE(store_.Remove("a"));
  EXPECT_FALSE(store_.Remove("a"));
  EXPECT_EQ(store_.Counts().kept_entries, 1U);
}

TEST_F(StoreTest, EvictsTheLeastRecentlyUsedCacheEntriesOnly) {
  const std::string text(100, 'x');
  Put("kept", text, Kind::kKept);
  for (const char* key : {"1", "2", "3", "4"}) Put(key, text, Kind::kCache);
  Get("1");
  EXPECT_EQ(store_.Evict(150), 202U);
  EXPECT_EQ(Get("2"), "none");
  EXPECT_EQ(Get("3"), "none");
  EXPECT_EQ(Get("1"), text);
  EXPECT_EQ(store_.Evict(SIZE_MAX), 202U);
  EXPECT_EQ(store_.Evict(SIZE_MAX), 0U);
  EXPECT_EQ(Get("kept"), text);
  EXPECT_EQ(store_.Counts().evicted_entries, 4U);
}

TEST_F(StoreTest, AnEntryMayChangeItsKind) {
  Put("a", "1", Kind::kCache);
  Put("a", "2", Kind::kKept);
  EXPECT_EQ(store_.Evict(SIZE_MAX), 0U);
  Put("a", "3", Kind::kCache);
  EXPECT_EQ(store_.Counts().cache_entries, 1U);
  EXPECT_EQ(store_.Counts().kept_entries, 0U);
  EXPECT_NE(store_.Evict(SIZE_MAX), 0U);
}

TEST_F(StoreTest, AReaderKeepsAValueThatIsReplaced) {
  Put("a", "old", Kind::kKept);
  const ValuePtr value = store_.Get("a");
  Put("a", "new", Kind::kKept);
  store_.Remove("a");
  EXPECT_EQ(value->text(), "old");
}

// --- Tenants ---

class ServiceTest : public ::testing::Test {
 protected:
  static Options SmallOptions() {
    Options options;
    options.service_limit_mb = 8;
    options.tenant_limit_mb = 2;
    return options;
  }
  TenantPtr Make(const std::string& name) {
    myonly_status status = MYONLY_ERR_INVALID;
    TenantPtr tenant = service_.FindOrCreate(name, &status);
    EXPECT_EQ(status, MYONLY_OK);
    return tenant;
  }
  // False if a limit was in the way.
  static bool Put(Tenant& tenant, const std::string& key, size_t bytes,
                  Kind kind) {
    Body body(tenant.arena());
    try {
      tenant.WithRoom(bytes, [&] { body.Reserve(bytes); });
      const std::string text(bytes, 'x');
      body.Append(text.data(), text.size());
      tenant.Put(key, &body, kind);
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  Service service_{SmallOptions()};
};

TEST_F(ServiceTest, PressureEvictsBeforeTheLimitIsReached) {
  const TenantPtr tenant = Make("a");
  for (int i = 0; i < 10000; ++i) {
    ASSERT_TRUE(Put(*tenant, std::to_string(i), 1000, Kind::kCache)) << i;
    ASSERT_LE(tenant->arena().charged(), 2 * kMiB / 4 * 3 + 4096);
  }
  const StoreCounts counts = tenant->store().Counts();
  EXPECT_GT(counts.evicted_entries, 5000U);
  // Between 3/4 of the soft limit and all of it is used.
  EXPECT_GT(counts.value_bytes, kMiB * 8 / 10);
  EXPECT_NE(tenant->Get("9999"), nullptr);
  EXPECT_EQ(tenant->Get("0"), nullptr);
}

TEST(TenantTest, OneThatIsUnderPressureFromTheStartWorks) {
  Options options;
  options.tenant_limit_mb = 1;
  options.soft_percent = 1;
  options.exact_bytes = 0;  // its first 32 KiB are above the soft limit
  Service service(options);
  myonly_status status = MYONLY_ERR_INVALID;
  ASSERT_NE(service.FindOrCreate("a", &status), nullptr);
  EXPECT_EQ(status, MYONLY_OK);
  EXPECT_TRUE(service.Close());
}

TEST_F(ServiceTest, EightThreadsMayCacheWithoutEnd) {
  const TenantPtr tenant = Make("a");
  std::vector<std::thread> threads;
  std::atomic<int> refused{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        const auto bytes = static_cast<size_t>(100 + i * 37 % 9000);
        const std::string key = std::to_string(t * 100 + i % 100);
        if (!Put(*tenant, key, bytes, Kind::kCache)) ++refused;
        tenant->Get(std::to_string(i));
        if (i % 5 == 0) tenant->Remove(key);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused, 0);
  EXPECT_LE(tenant->arena().charged(), 2 * kMiB);
  EXPECT_EQ(tenant->arena().check(), MYONLY_OK);
}

TEST_F(ServiceTest, KeptEntriesAreRefusedAtTheLimitAndTheReasonIsNamed) {
  const TenantPtr tenant = Make("a");
  int kept = 0;
  while (Put(*tenant, std::to_string(kept), 10000, Kind::kKept)) ++kept;
  EXPECT_GT(kept, 100);
  const Refusal refusal = ExplainRefusal({tenant->arena(), service_.arena()});
  EXPECT_EQ(refusal.status, MYONLY_ERR_QUOTA);
  EXPECT_EQ(refusal.arena, "tenant/a");
  EXPECT_EQ(refusal.limit_bytes, 2 * kMiB);
  EXPECT_LE(refusal.charged_bytes, 2 * kMiB);
  EXPECT_GT(refusal.charged_bytes, 2 * kMiB - 20000);
  // Another tenant doesn't notice.
  EXPECT_TRUE(Put(*Make("b"), "key", kMiB, Kind::kKept));
  tenant->Remove("0");
  EXPECT_TRUE(Put(*tenant, "0", 5000, Kind::kKept));
}

TEST_F(ServiceTest, TheServicesLimitIsNamedWhenItIsTheOne) {
  std::vector<TenantPtr> tenants;
  bool fits = true;
  for (int i = 0; fits && i < 10; ++i) {
    tenants.push_back(Make(std::to_string(i)));
    fits = Put(*tenants.back(), "key", kMiB + kMiB / 2, Kind::kKept);
  }
  EXPECT_FALSE(fits);
  const Refusal refusal =
      ExplainRefusal({tenants.back()->arena(), service_.arena()});
  EXPECT_EQ(refusal.arena, "service");
}

TEST_F(ServiceTest, DropReturnsTheChargeAtOnceOrWhenTheLastUserIsGone) {
  const size_t before = service_.arena().charged();
  Put(*Make("a"), "key", kMiB, Kind::kKept);
  EXPECT_GT(service_.arena().charged(), kMiB);
  const Dropped dropped = service_.Drop("a");
  EXPECT_TRUE(dropped.was_there && dropped.is_destroyed);
  EXPECT_GE(dropped.returned_bytes, kMiB);
  EXPECT_EQ(service_.arena().charged(), before);
  EXPECT_FALSE(service_.Drop("a").was_there);

  Put(*Make("b"), "key", kMiB, Kind::kKept);
  TenantPtr user = service_.Find("b");
  auto drop =
      std::async(std::launch::async, [&] { return service_.Drop("b"); });
  while (service_.Find("b") != nullptr) std::this_thread::yield();
  EXPECT_EQ(user->Get("key")->text().size(), kMiB);
  user.reset();
  EXPECT_TRUE(drop.get().is_destroyed);
  EXPECT_EQ(service_.arena().charged(), before);
}

TEST_F(ServiceTest, CloseFindsNothingLeft) {
  Put(*Make("a"), "key", 1000, Kind::kKept);
  Put(*Make("b"), "key", 100000, Kind::kCache);
  EXPECT_TRUE(service_.Close());
}

TEST(TenantNameTest, IsShortAndPlain) {
  EXPECT_TRUE(IsTenantName("a-B_9.c"));
  EXPECT_TRUE(IsTenantName(std::string(24, 'a')));
  // The last two are folders to whoever asks for the path.
  for (const char* wrong : {"", "a b", "a/b", "\xc3\xa4", "a\"", ".", ".."}) {
    EXPECT_FALSE(IsTenantName(wrong)) << wrong;
  }
  EXPECT_FALSE(IsTenantName(std::string(25, 'a')));
}

}  // namespace
}  // namespace myonly::tenant_server
