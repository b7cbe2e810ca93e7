#include "tools/bench/report/page.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "tools/myonly/runfiles.h"

namespace myonly::bench {
namespace {

constexpr char kFolder[] = "tools/bench/report/";
constexpr const char* kParts[] = {"report.css", "errors.js", "figures.js",
                                  "charts.js",  "table.js",  "report.js"};

using Texts = std::map<std::string, std::string>;

bool ReadFile(const std::string& path, std::string* text, std::string* error) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  *text = content.str();
  if (!file || text->empty()) {
    *error = "can't read " + path;
    return false;
  }
  return true;
}

bool ReadPart(const std::string& name, std::string* text, std::string* error) {
  const std::string path = tools::FindRunfile(kFolder + name);
  if (path.empty()) {
    *error = std::string(kFolder) + name + " is missing beside the program";
    return false;
  }
  return ReadFile(path, text, error);
}

// Starts `path` without a shell; its two outputs go into one pipe.
int Start(const std::string& path, pid_t* child, int* output) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  std::string name = path;
  char* argv[] = {name.data(), nullptr};
  const int failure =
      posix_spawn(child, path.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  *output = ends[0];
  if (failure != 0) close(ends[0]);
  return failure;
}

std::string ReadToEnd(int output) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t count = read(output, buffer, sizeof(buffer));
    if (count > 0) {
      text.append(buffer, static_cast<size_t>(count));
    } else if (count == 0 || errno != EINTR) {
      return text;
    }
  }
}

// The folder of the chart library, which the script installs at need.
bool InstallLibrary(std::string* folder, std::string* error) {
  const std::string script =
      tools::FindRunfile(kFolder + std::string("install"));
  pid_t child = -1;
  int output = -1;
  if (const int failure = Start(script, &child, &output); failure != 0) {
    *error = std::string("can't start tools/bench/report/install: ") +
             std::strerror(failure);
    return false;
  }
  std::string said = ReadToEnd(output);
  close(output);
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  while (!said.empty() && said.back() == '\n') said.pop_back();
  (status == 0 ? *folder : *error) = said;
  return status == 0;
}

void ReplaceAll(const std::string& from, const std::string& to,
                std::string* text) {
  for (size_t at = text->find(from); at != std::string::npos;
       at = text->find(from, at + to.size())) {
    text->replace(at, from.size(), to);
  }
}

// In a string or a regular expression, where alone it may stand, "<\/script"
// is the same as "</script" to the language, and nothing to HTML.
std::string EscapeScriptForHtml(std::string script) {
  ReplaceAll("</script", "<\\/script", &script);
  return script;
}

// `page` with each @{NAME} filled in. One pass: what is filled in may hold
// anything.
bool Fill(const std::string& page, const Texts& texts, std::string* filled,
          std::string* error) {
  size_t at = 0;
  for (size_t mark; (mark = page.find("@{", at)) != std::string::npos;) {
    const size_t end = page.find('}', mark);
    const std::string name =
        end == std::string::npos ? "" : page.substr(mark + 2, end - mark - 2);
    const auto text = texts.find(name);
    if (text == texts.end()) {
      *error = "report.html asks for the unknown part \"" + name + "\"";
      return false;
    }
    filled->append(page, at, mark - at).append(text->second);
    at = end + 1;
  }
  filled->append(page, at, std::string::npos);
  return true;
}

bool CollectTexts(Texts* texts, std::string* error) {
  std::string folder;
  if (!InstallLibrary(&folder, error)) return false;
  folder += "/node_modules/";
  if (!ReadFile(folder + "d3/dist/d3.min.js", &(*texts)["d3"], error) ||
      !ReadFile(folder + "@observablehq/plot/dist/plot.umd.min.js",
                &(*texts)["plot"], error)) {
    return false;
  }
  for (const char* part : kParts) {
    if (!ReadPart(part, &(*texts)[part], error)) return false;
  }
  for (auto& [name, text] : *texts) text = EscapeScriptForHtml(text);
  return true;
}

}  // namespace

bool WriteReportPage(const std::string& json, const std::string& file,
                     std::string* error) {
  Texts texts;
  std::string frame;
  std::string page;
  if (!CollectTexts(&texts, error) || !ReadPart("report.html", &frame, error)) {
    return false;
  }
  texts["data"] = EscapeJsonForHtml(json);
  if (!Fill(frame, texts, &page, error)) return false;
  std::ofstream output(file, std::ios::binary);
  output << page;
  output.close();
  if (!output) {
    *error = "can't write " + file + ": " + std::strerror(errno);
    return false;
  }
  return true;
}

std::string EscapeJsonForHtml(const std::string& json) {
  std::string escaped = json;
  ReplaceAll("<", "\\u003c", &escaped);
  return escaped;
}

}  // namespace myonly::bench
