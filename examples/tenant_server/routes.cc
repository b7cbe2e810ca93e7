#include "examples/tenant_server/routes.h"

#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "examples/tenant_server/answer.h"
#include "examples/tenant_server/body.h"
#include "examples/tenant_server/body_reader.h"
#include "examples/tenant_server/call.h"
#include "examples/tenant_server/json.h"
#include "examples/tenant_server/page.h"
#include "examples/tenant_server/report.h"
#include "examples/tenant_server/words.h"

namespace myonly::tenant_server {
namespace {

using httplib::ContentReader;
using httplib::Request;
using httplib::Response;

constexpr const char* kTenantPath = R"(/tenants/([^/]+))";
constexpr const char* kKeysPath = R"(/tenants/([^/]+)/keys)";
constexpr const char* kKeyPath = R"(/tenants/([^/]+)/keys/(.+))";
constexpr const char* kWordsPath = R"(/tenants/([^/]+)/words)";
constexpr const char* kExplainPath = R"(/tenants/([^/]+)/explain)";

constexpr size_t kLongestKey = 512;
constexpr long kMostListed = 100000;
constexpr long kMostMebibytes = 1 << 20;

// The number of a parameter, or `otherwise` if it isn't there; -1 if it is no
// number from `least` to `most`.
long Parameter(const Request& request, const char* name, long otherwise,
               long least, long most) {
  if (!request.has_param(name)) return otherwise;
  const std::string text = request.get_param_value(name);
  char* end = nullptr;
  const long number = std::strtol(text.c_str(), &end, 10);
  const bool whole = !text.empty() && *end == 0;
  return whole && number >= least && number <= most ? number : -1;
}

// Does `work` of a call; says what was in its way if it runs out of memory.
// What `work` fills is made outside of it, so that it is still there then.
template <typename Work>
void Try(const Call& call, Response& response, Work work) {
  try {
    work();
  } catch (const std::bad_alloc&) {
    AnswerRefusal(response, call.Explain());
  }
}

class Routes {
 public:
  explicit Routes(Service* service) : service_(*service) {}

  // --- Keys ---

  void PutKey(const Request& request, Response& response,
              const ContentReader& reader) const {
    const std::string key = request.matches[2];
    const TenantPtr tenant = TenantFor(request, response);
    if (tenant == nullptr) return SkipBody(request, reader);
    if (key.size() > kLongestKey) {
      SkipBody(request, reader);
      AnswerError(response, kBadRequest, "key", "at most 512 bytes");
      return;
    }
    const long cache = Parameter(request, "cache", 0, 0, 1);
    if (cache < 0) {
      SkipBody(request, reader);
      AnswerError(response, kBadRequest, "cache", "0 or 1");
      return;
    }
    const Call call(&service_, tenant.get());
    Body body(call.arena());
    if (!ReadBody(request, reader, call, tenant.get(), &body, &response)) {
      return CountRefusal(response, *tenant);
    }
    Try(call, response, [&] {
      const bool is_new =
          tenant->Put(key, &body, cache == 1 ? Kind::kCache : Kind::kKept);
      response.status = is_new ? kCreated : kOk;
    });
    CountRefusal(response, *tenant);
  }

  void GetKey(const Request& request, Response& response) const {
    const Call call(&service_, nullptr);
    const TenantPtr tenant = Existing(request, response);
    if (tenant == nullptr) return;
    const ValuePtr value = tenant->Get(request.matches[2].str());
    if (value == nullptr) return NoKey(response);
    const std::string_view text = value->text();
    constexpr const char* kType = "application/octet-stream";
    if (text.empty()) return response.set_content("", kType);
    // Sent from where it is. The tenant and the value stay until that is done.
    response.set_content_provider(
        text.size(), kType,
        [tenant, value](size_t offset, size_t length, httplib::DataSink& sink) {
          return sink.write(value->text().data() + offset, length);
        });
  }

  void RemoveKey(const Request& request, Response& response) const {
    const Call call(&service_, nullptr);
    const TenantPtr tenant = Existing(request, response);
    if (tenant == nullptr) return;
    if (!tenant->Remove(request.matches[2].str())) return NoKey(response);
    response.status = kOk;
  }

  void ListKeys(const Request& request, Response& response) const {
    const TenantPtr tenant = Existing(request, response);
    if (tenant == nullptr) return;
    const long most = Parameter(request, "limit", 1000, 1, kMostListed);
    if (most < 0) {
      AnswerError(response, kBadRequest, "limit", "a number up to 100000");
      return;
    }
    const Call call(&service_, nullptr);
    Text text = call.NewText();
    Try(call, response, [&] {
      WriteKeys(*tenant, request.get_param_value("prefix"),
                static_cast<size_t>(most), &text);
      AnswerJson(response, kOk, text);
    });
  }

  // --- Text ---

  void CountWords(const Request& request, Response& response,
                  const ContentReader& reader) const {
    const TenantPtr tenant = TenantFor(request, response);
    if (tenant == nullptr) return SkipBody(request, reader);
    const Call call(&service_, tenant.get());
    Body body(call.arena());
    if (!ReadBody(request, reader, call, tenant.get(), &body, &response)) {
      return CountRefusal(response, *tenant);
    }
    WordCount words(call.arena());
    Text text = call.NewText();
    Try(call, response, [&] {
      const size_t size_bytes = body.text().size();
      tenant->WithRoom(size_bytes,
                       [&] { words.Count(body.data(), size_bytes); });
      WriteWords(words, &text);
      AnswerJson(response, kOk, text);
    });
    CountRefusal(response, *tenant);
  }

  // --- Tenants ---

  void PutTenant(const Request& request, Response& response,
                 const ContentReader& reader) const {
    SkipBody(request, reader);
    const std::string name = request.matches[1];
    const long limit_mb = Parameter(request, "limit_mb", 0, 1, kMostMebibytes);
    const long soft_percent =
        Parameter(request, "soft_percent", service_.soft_percent(), 1, 100);
    if (limit_mb < 0 || soft_percent < 0) {
      AnswerError(response, kBadRequest, "limit",
                  "limit_mb is a number from 1, soft_percent one up to 100");
      return;
    }
    const bool is_new = service_.Find(name) == nullptr;
    const TenantPtr tenant = TenantFor(request, response);
    if (tenant == nullptr) return;
    if (limit_mb != 0 || request.has_param("soft_percent")) {
      tenant->SetLimits(service_.LimitsFor(
          limit_mb == 0 ? tenant->limit_bytes()
                        : static_cast<size_t>(limit_mb) * kMebibyte,
          soft_percent));
    }
    AnswerTenant(response, *tenant, is_new ? kCreated : kOk);
  }

  void GetTenant(const Request& request, Response& response) const {
    const TenantPtr tenant = Existing(request, response);
    if (tenant != nullptr) AnswerTenant(response, *tenant, kOk);
  }

  void DropTenant(const Request& request, Response& response) const {
    const std::string name = request.matches[1];
    const Dropped dropped = service_.Drop(name);
    if (!dropped.was_there) return NoTenant(response);
    const Call call(&service_, nullptr);
    Text text = call.NewText();
    Try(call, response, [&] {
      Json json(&text);
      json.Open('{').Name("tenant").String(name);
      json.Name("state").String(dropped.is_destroyed ? "destroyed" : "in use");
      json.Name("returned_bytes").Number(dropped.returned_bytes).Close('}');
      AnswerJson(response, dropped.is_destroyed ? kOk : kAccepted, text);
    });
  }

  void Explain(const Request& request, Response& response) const {
    const TenantPtr tenant = Existing(request, response);
    if (tenant == nullptr) return;
    const bool as_json = request.get_param_value("format") == "json";
    Answer(response, as_json ? "application/json" : "text/plain",
           [&](Text* text) { WriteExplanation(*tenant, as_json, text); });
  }

  // --- The service ---

  void Arenas(const Request&, Response& response) const {
    Answer(response, "application/json",
           [&](Text* text) { WriteArenas(service_, text); });
  }

  void Metrics(const Request&, Response& response) const {
    Answer(response, "text/plain; version=0.0.4",
           [&](Text* text) { WriteMetrics(service_, text); });
  }

  void Page(const Request&, Response& response) const {
    // All the page needs is in it, and the service is its only source.
    response.set_header("Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'; "
                        "script-src 'unsafe-inline'; connect-src 'self'; "
                        "img-src data:");
    response.set_content(PageText().data(), PageText().size(),
                         "text/html; charset=utf-8");
  }

 private:
  // The tenant of the path; NULL and an answer if there is none.
  TenantPtr Existing(const Request& request, Response& response) const {
    TenantPtr tenant = service_.Find(request.matches[1]);
    if (tenant == nullptr) {
      NoTenant(response);
    } else {
      ++tenant->requests;
    }
    return tenant;
  }

  // The same, but makes the tenant if there is none yet.
  TenantPtr TenantFor(const Request& request, Response& response) const {
    const std::string name = request.matches[1];
    if (!IsTenantName(name)) {
      AnswerError(response, kBadRequest, "tenant",
                  "a name has up to 24 letters, digits and . _ -");
      return nullptr;
    }
    myonly_status status = MYONLY_OK;
    TenantPtr tenant = service_.FindOrCreate(name, &status);
    if (tenant != nullptr) {
      ++tenant->requests;
    } else if (status == MYONLY_ERR_QUOTA) {
      AnswerRefusal(response, ExplainRefusal({service_.arena()}));
    } else {
      AnswerError(response, kUnavailable, "tenant", myonly_status_str(status));
    }
    return tenant;
  }

  // Answers what `write(Text*)` writes, in a call of the service.
  template <typename Write>
  void Answer(Response& response, const char* type, Write write) const {
    const Call call(&service_, nullptr);
    Text text = call.NewText();
    Try(call, response, [&] {
      write(&text);
      response.set_content(text.data(), text.size(), type);
    });
  }

  void AnswerTenant(Response& response, const Tenant& tenant, int code) const {
    Answer(response, "application/json",
           [&](Text* text) { WriteTenant(tenant, text); });
    if (response.status < kBadRequest) response.status = code;
  }

  static void CountRefusal(const Response& response, Tenant& tenant) {
    if (response.status == kInsufficientStorage) ++tenant.refused_requests;
  }
  static void NoTenant(Response& response) {
    AnswerError(response, kNotFound, "tenant", "there is no such tenant");
  }
  static void NoKey(Response& response) {
    AnswerError(response, kNotFound, "key", "there is no such key");
  }

  Service& service_;
};

// What no route has caught: the process is out of memory, or it is our mistake.
void AnswerException(const Request&, Response& response,
                     std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    AnswerError(response, kUnavailable, "memory", "the process has none left");
  } catch (const std::exception& exception) {
    AnswerError(response, kServerError, "exception", exception.what());
  }
}

}  // namespace

void AddRoutes(Service* service, httplib::Server* server) {
  const Routes routes(service);
  using Plain = void (Routes::*)(const Request&, Response&) const;
  const auto plain = [routes](Plain member) {
    return [routes, member](const Request& request, Response& response) {
      (routes.*member)(request, response);
    };
  };
  using WithBody =
      void (Routes::*)(const Request&, Response&, const ContentReader&) const;
  const auto with_body = [routes](WithBody member) {
    return [routes, member](const Request& request, Response& response,
                            const ContentReader& reader) {
      (routes.*member)(request, response, reader);
    };
  };
  server->Put(kKeyPath, with_body(&Routes::PutKey));
  server->Get(kKeyPath, plain(&Routes::GetKey));
  server->Delete(kKeyPath, plain(&Routes::RemoveKey));
  server->Get(kKeysPath, plain(&Routes::ListKeys));
  server->Post(kWordsPath, with_body(&Routes::CountWords));
  server->Get(kExplainPath, plain(&Routes::Explain));
  server->Put(kTenantPath, with_body(&Routes::PutTenant));
  server->Get(kTenantPath, plain(&Routes::GetTenant));
  server->Delete(kTenantPath, plain(&Routes::DropTenant));
  server->Get("/tenants", plain(&Routes::Arenas));
  server->Get("/metrics", plain(&Routes::Metrics));
  server->Get("/", plain(&Routes::Page));
  server->set_exception_handler(AnswerException);
  server->set_error_handler([](const Request& request, Response& response) {
    if (!response.body.empty()) return;
    AnswerError(response, response.status, "path",
                request.method + " " + request.path + ": see /");
  });
  // Newer versions of cpp-httplib, up to 0.42 at least, read the next request
  // as this one's body (its issue 2450): there is none on this connection.
  server->set_post_routing_handler([](const Request& request,
                                      Response& response) {
    if (request.method == "DELETE" && !request.has_header("Content-Length")) {
      response.set_header("Connection", "close");
    }
  });
}

}  // namespace myonly::tenant_server
