// Opens a page in headless Chromium and reads what became of it.
#ifndef MYONLY_TESTS_SUPPORT_BROWSER_H_
#define MYONLY_TESTS_SUPPORT_BROWSER_H_

#include <string>
#include <vector>

namespace myonly::testing {

// Is there a program called chromium?
bool HaveBrowser();

// The document of the file `page` as HTML, after its scripts have run. `hash`
// is what follows the "#" of its address. Fails the test on an error.
std::string OpenInBrowser(const std::string& page,
                          const std::string& hash = "");

// The same of any address, such as that of a server on this machine.
std::string OpenUrlInBrowser(const std::string& url);

// What is between `start` and the next `end`, or "" with a failure of the test.
std::string Between(const std::string& text, const std::string& start,
                    const std::string& end);

int CountOf(const std::string& text, const std::string& part);

// The text of each element `name` in `html`, without tags that are in it. A
// `name` may have attributes: "td class=\"x\"".
std::vector<std::string> TextsOf(const std::string& html,
                                 const std::string& name);

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_SUPPORT_BROWSER_H_
