// The page at "/": page.html, as it is in the program.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_PAGE_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_PAGE_H_

#include <string_view>

namespace myonly::tenant_server {

std::string_view PageText();

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_PAGE_H_
