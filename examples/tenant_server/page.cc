#include "examples/tenant_server/page.h"

#include <string_view>

namespace myonly::tenant_server {

std::string_view PageText() {
  static constexpr char kText[] =
#include "examples/tenant_server/page_html.inc"
      ;
  return {kText, sizeof(kText) - 1};
}

}  // namespace myonly::tenant_server
