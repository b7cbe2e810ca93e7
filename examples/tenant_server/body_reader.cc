#include "examples/tenant_server/body_reader.h"

#include <cstdlib>
#include <new>
#include <optional>
#include <string>

#include "examples/tenant_server/answer.h"
#include "examples/tenant_server/refusal.h"

namespace myonly::tenant_server {
namespace {

// Without one of these there is no body, and reading would wait for one.
bool HasBody(const httplib::Request& request) {
  return request.has_header("Content-Length") ||
         request.has_header("Transfer-Encoding");
}

// Digits, and no more than a size_t holds. httplib takes what is none for 0,
// and the body for the next request.
bool HasGoodLength(const httplib::Request& request) {
  if (!request.has_header("Content-Length")) return true;
  const std::string length = request.get_header_value("Content-Length");
  return !length.empty() && length.size() < 20 &&
         length.find_first_not_of("0123456789") == std::string::npos;
}

size_t DeclaredBytes(const httplib::Request& request) {
  // A packed body says nothing of what comes out of it.
  if (request.has_header("Content-Encoding")) return 0;
  const std::string length = request.get_header_value("Content-Length");
  return std::strtoull(length.c_str(), nullptr, 10);
}

}  // namespace

bool ReadBody(const httplib::Request& request,
              const httplib::ContentReader& reader, const Call& call,
              Tenant* tenant, Body* body, httplib::Response* response) {
  if (!HasGoodLength(request)) {
    // Nobody knows where the next request begins.
    response->set_header("Connection", "close");
    AnswerError(*response, kBadRequest, "body",
                "Content-Length is not a number of bytes");
    return false;
  }
  if (request.is_multipart_form_data()) {
    SkipBody(request, reader);
    AnswerError(*response, kUnsupportedMedia, "media",
                "the body itself is wanted, not a form");
    return false;
  }
  std::optional<Refusal> refusal;
  const auto take = [&](size_t bytes, auto work) {
    if (refusal) return;
    try {
      tenant->WithRoom(bytes, work);
    } catch (const std::bad_alloc&) {
      refusal = call.Explain();
      body->Clear();
    }
  };
  const size_t declared_bytes = DeclaredBytes(request);
  take(declared_bytes, [&] { body->Reserve(declared_bytes); });
  const bool is_whole =
      !HasBody(request) || reader([&](const char* data, size_t size_bytes) {
        take(size_bytes, [&] { body->Append(data, size_bytes); });
        return true;
      });
  if (refusal) {
    AnswerRefusal(*response, *refusal);
  } else if (!is_whole) {
    const bool is_large = response->status == kTooLarge;
    AnswerError(*response, is_large ? kTooLarge : kBadRequest, "body",
                is_large ? "the body is larger than any request may be"
                         : "the body is not complete");
  }
  return is_whole && !refusal;
}

void SkipBody(const httplib::Request& request,
              const httplib::ContentReader& reader) {
  if (!HasBody(request)) return;
  const auto skip = [](const char*, size_t) { return true; };
  if (request.is_multipart_form_data()) {
    reader([](const auto&) { return true; }, skip);
  } else {
    reader(skip);
  }
}

}  // namespace myonly::tenant_server
