// What the service tells of itself, as JSON and as text for Prometheus.
//
// Each function appends to `out`, a text of the arena of the call, and throws
// std::bad_alloc if that is full.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_REPORT_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_REPORT_H_

#include <cstddef>
#include <string>

#include "examples/tenant_server/memory.h"
#include "examples/tenant_server/service.h"
#include "examples/tenant_server/tenant.h"
#include "examples/tenant_server/words.h"

namespace myonly::tenant_server {

// All arenas, for the page: the service, the process heap, each tenant.
void WriteArenas(const Service& service, Text* out);

void WriteTenant(const Tenant& tenant, Text* out);

void WriteKeys(const Tenant& tenant, const std::string& prefix, size_t most,
               Text* out);

void WriteWords(const WordCount& words, Text* out);

// Where every byte of the tenant's arena is.
void WriteExplanation(const Tenant& tenant, bool as_json, Text* out);

void WriteMetrics(const Service& service, Text* out);

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_REPORT_H_
