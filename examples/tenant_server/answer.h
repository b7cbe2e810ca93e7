// Answers of the service: JSON with a status code.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_ANSWER_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_ANSWER_H_

#include <httplib.h>

#include <string_view>

#include "examples/tenant_server/memory.h"
#include "examples/tenant_server/refusal.h"

namespace myonly::tenant_server {

inline constexpr int kOk = 200;
inline constexpr int kCreated = 201;
inline constexpr int kAccepted = 202;
inline constexpr int kBadRequest = 400;
inline constexpr int kNotFound = 404;
inline constexpr int kTooLarge = 413;
inline constexpr int kUnsupportedMedia = 415;
inline constexpr int kServerError = 500;
inline constexpr int kUnavailable = 503;
inline constexpr int kInsufficientStorage = 507;

void AnswerJson(httplib::Response& response, int code, const Text& json);

// {"error": `error`, "message": `message`}
void AnswerError(httplib::Response& response, int code, std::string_view error,
                 std::string_view message);

// 507 with the arena, its limit and its charge; 503 if no limit was in the way.
void AnswerRefusal(httplib::Response& response, const Refusal& refusal);

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_ANSWER_H_
