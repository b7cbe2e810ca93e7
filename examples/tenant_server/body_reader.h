// Reads the body of a request into its arena while it comes in.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_BODY_READER_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_BODY_READER_H_

#include <httplib.h>

#include "examples/tenant_server/body.h"
#include "examples/tenant_server/call.h"
#include "examples/tenant_server/tenant.h"

namespace myonly::tenant_server {

// False if that went wrong: then `response` says why. The body is read to its
// end in any case, as what is left would be taken for the next request; but
// nothing of it is kept once a limit was in the way.
bool ReadBody(const httplib::Request& request,
              const httplib::ContentReader& reader, const Call& call,
              Tenant* tenant, Body* body, httplib::Response* response);

// The same for a request whose body says nothing.
void SkipBody(const httplib::Request& request,
              const httplib::ContentReader& reader);

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_BODY_READER_H_
