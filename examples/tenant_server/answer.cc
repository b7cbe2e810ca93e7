#include "examples/tenant_server/answer.h"

#include <string>
#include <string_view>

#include "examples/tenant_server/json.h"

namespace myonly::tenant_server {
namespace {

constexpr const char* kJsonType = "application/json";

std::string Kibibytes(size_t bytes) {
  return std::to_string(bytes >> 10) + " KiB";
}

}  // namespace

void AnswerJson(httplib::Response& response, int code, const Text& json) {
  response.status = code;
  response.set_content(json.data(), json.size(), kJsonType);
}

// Errors are told when arenas are full: on the process heap.
void AnswerError(httplib::Response& response, int code, std::string_view error,
                 std::string_view message) {
  std::string text;
  Json json(&text);
  json.Open('{').Name("error").String(error);
  json.Name("message").String(message).Close('}');
  response.status = code;
  response.set_content(text, kJsonType);
}

void AnswerRefusal(httplib::Response& response, const Refusal& refusal) {
  if (refusal.status != MYONLY_ERR_QUOTA) {
    AnswerError(response, kUnavailable, "memory",
                myonly_status_str(refusal.status));
    return;
  }
  std::string text;
  Json json(&text);
  json.Open('{').Name("error").String("quota");
  json.Name("message").String("The arena \"" + refusal.arena + "\" holds " +
                              Kibibytes(refusal.charged_bytes) + " of its " +
                              Kibibytes(refusal.limit_bytes) +
                              ", and this request needs more than is left.");
  json.Name("arena").String(refusal.arena);
  json.Name("limit_bytes").Number(refusal.limit_bytes);
  json.Name("charged_bytes").Number(refusal.charged_bytes).Close('}');
  response.status = kInsufficientStorage;
  response.set_content(text, kJsonType);
}

}  // namespace myonly::tenant_server
