#include "tools/lint/source_tree.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>

namespace myonly {
namespace {

using IncludeGraph = std::map<std::string, std::vector<std::string>>;

// Bottom-up. Layers of one row are siblings.
const std::vector<std::vector<std::string>>& Layers() {
  static const auto* layers = new std::vector<std::vector<std::string>>{
      {"allocator/base/"},
      {"allocator/options/"},
      {"allocator/pages/"},
      {"allocator/guard/"},
      {"allocator/large/"},
      {"allocator/slabs/", "allocator/blocks/"},
      {"allocator/arena/"},
      {"allocator/threads/", "allocator/observe/", "allocator/gc/"},
      {"allocator/runtime/"},
      {"capi/"},
  };
  return *layers;
}

struct Layer {
  size_t height;
  std::string folder;
};

// The layer of a path; height counts from 0, and is one above all for a path
// outside of the layers (tests, tools), which may include everything.
Layer LayerOf(const std::string& path) {
  for (size_t height = 0; height < Layers().size(); ++height) {
    for (const std::string& folder : Layers()[height]) {
      if (path.rfind(folder, 0) == 0) return {height, folder};
    }
  }
  return {Layers().size(), ""};
}

// Paths in `#include "..."` lines, in order.
std::vector<std::string> QuotedIncludes(const std::string& content) {
  std::vector<std::string> result;
  std::istringstream lines(content);
  for (std::string line; std::getline(lines, line);) {
    const size_t hash = line.find_first_not_of(" \t");
    if (hash == std::string::npos || line[hash] != '#') continue;
    const size_t word = line.find_first_not_of(" \t", hash + 1);
    if (word == std::string::npos || line.compare(word, 7, "include") != 0) {
      continue;
    }
    const size_t begin = line.find('"', word);
    if (begin == std::string::npos) continue;
    const size_t end = line.find('"', begin + 1);
    if (end == std::string::npos) continue;
    result.push_back(line.substr(begin + 1, end - begin - 1));
  }
  return result;
}

// The C header's include path is shorter than its path in the tree.
std::string ResolveInclude(const std::string& include) {
  return include.rfind("myonly/", 0) == 0 ? "capi/include/" + include : include;
}

bool IsOurs(const std::string& include) {
  return include.rfind("allocator/", 0) == 0 || include.rfind("capi/", 0) == 0;
}

void CheckInclude(const SourceTree& tree, const std::string& path,
                  const std::string& include,
                  std::vector<std::string>* errors) {
  if (include.find("..") != std::string::npos) {
    errors->push_back(path + ": \"..\" in the include of " + include);
    return;
  }
  if (!IsOurs(include)) return;
  if (tree.count(include) == 0) {
    errors->push_back(path + ": includes " + include + ", which isn't there");
    return;
  }
  const Layer from = LayerOf(path);
  const Layer to = LayerOf(include);
  if (to.height > from.height) {
    errors->push_back(path + ": includes " + include + " of a higher layer");
  } else if (to.height == from.height && to.folder != from.folder) {
    errors->push_back(path + ": includes " + include + " of a sibling layer");
  }
}

class CycleFinder {
 public:
  CycleFinder(const IncludeGraph& graph, std::vector<std::string>* errors)
      : graph_(graph), errors_(errors) {}

  void Visit(const std::string& path) {
    const auto at = std::find(way_.begin(), way_.end(), path);
    if (at != way_.end()) {
      std::string message = path + ": include cycle";
      for (auto step = at; step != way_.end(); ++step) message += " " + *step;
      errors_->push_back(message);
      return;
    }
    if (!done_.insert(path).second) return;
    const auto node = graph_.find(path);
    if (node == graph_.end()) return;
    way_.push_back(path);
    for (const std::string& include : node->second) Visit(include);
    way_.pop_back();
  }

 private:
  const IncludeGraph& graph_;
  std::vector<std::string>* errors_;
  std::vector<std::string> way_;
  std::set<std::string> done_;
};

bool IsSource(const std::filesystem::path& path) {
  const std::string extension = path.extension();
  return extension == ".h" || extension == ".cc" || extension == ".c" ||
         extension == ".def";
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("can't read " + path.string());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

SourceTree ReadSourceTree(const std::string& root,
                          const std::vector<std::string>& folders) {
  SourceTree tree;
  for (const std::string& folder : folders) {
    const std::filesystem::path base(root);
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(base / folder)) {
      if (!entry.is_regular_file() || !IsSource(entry.path())) continue;
      const std::string path = entry.path().lexically_relative(base);
      tree[path] = ReadFile(entry.path());
    }
  }
  return tree;
}

std::vector<std::string> FindLintErrors(const SourceTree& tree) {
  std::vector<std::string> errors;
  IncludeGraph graph;
  for (const auto& [path, content] : tree) {
    const auto lines = std::count(content.begin(), content.end(), '\n');
    if (lines > kMaxLines) {
      errors.push_back(path + ": " + std::to_string(lines) + " lines, the " +
                       "limit is " + std::to_string(kMaxLines));
    }
    for (const std::string& include : QuotedIncludes(content)) {
      const std::string resolved = ResolveInclude(include);
      CheckInclude(tree, path, resolved, &errors);
      graph[path].push_back(resolved);
    }
  }
  CycleFinder finder(graph, &errors);
  for (const auto& node : graph) finder.Visit(node.first);
  std::sort(errors.begin(), errors.end());
  return errors;
}

}  // namespace myonly
