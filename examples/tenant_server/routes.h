// What the service answers at which path. README.md lists the paths.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_ROUTES_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_ROUTES_H_

#include <httplib.h>

#include "examples/tenant_server/service.h"

namespace myonly::tenant_server {

// Both live until the server has stopped.
void AddRoutes(Service* service, httplib::Server* server);

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_ROUTES_H_
