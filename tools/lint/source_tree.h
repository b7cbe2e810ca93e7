// The rules that a compiler doesn't check, over the tree of sources.
//
// Layers: allocator/<layer>/ may include its own layer and lower ones; slabs,
// blocks and large don't know each other, nor do threads, observe and gc.
// Includes: workspace-relative, no "..", no cycle, and a file that exists.
// Size: a source file has at most kMaxLines lines.
#ifndef MYONLY_TOOLS_LINT_SOURCE_TREE_H_
#define MYONLY_TOOLS_LINT_SOURCE_TREE_H_

#include <map>
#include <string>
#include <vector>

namespace myonly {

inline constexpr int kMaxLines = 600;

// Path relative to the project's root -> content.
using SourceTree = std::map<std::string, std::string>;

// Reads every .h, .cc, .c and .def file below `folders` of `root`; throws on
// error.
SourceTree ReadSourceTree(const std::string& root,
                          const std::vector<std::string>& folders);

// One line per broken rule, "path: what", sorted by path.
std::vector<std::string> FindLintErrors(const SourceTree& tree);

}  // namespace myonly

#endif  // MYONLY_TOOLS_LINT_SOURCE_TREE_H_
