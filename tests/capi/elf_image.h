// Reads the parts of a shared library that its users depend on: the dynamic
// symbols, what it needs, its segments and sections.
#ifndef MYONLY_TESTS_CAPI_ELF_IMAGE_H_
#define MYONLY_TESTS_CAPI_ELF_IMAGE_H_

#include <elf.h>

#include <string>
#include <vector>

namespace myonly::testing {

struct DynamicSymbol {
  std::string name;
  bool defined = false;
  bool weak = false;
};

class ElfImage {
 public:
  // A file that can't be read or is no 64-bit ELF file gives an empty image.
  explicit ElfImage(const std::string& path);

  bool valid() const { return !segments_.empty(); }
  const std::vector<Elf64_Phdr>& segments() const { return segments_; }
  const std::vector<Elf64_Shdr>& sections() const { return sections_; }

  // The visible ones: local symbols that a linker left in are none of ours.
  std::vector<DynamicSymbol> Symbols() const;
  // The texts of all entries with this tag, such as DT_NEEDED.
  std::vector<std::string> Texts(Elf64_Sxword tag) const;
  bool Has(Elf64_Sxword tag) const;

 private:
  template <typename T>
  std::vector<T> Table(const Elf64_Shdr& section) const;
  const Elf64_Shdr* Section(Elf64_Word type) const;
  std::string Text(const Elf64_Shdr& strings, size_t offset) const;

  std::string bytes_;
  std::vector<Elf64_Phdr> segments_;
  std::vector<Elf64_Shdr> sections_;
};

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_CAPI_ELF_IMAGE_H_
