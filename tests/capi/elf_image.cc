#include "tests/capi/elf_image.h"

#include <string.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace myonly::testing {
namespace {

template <typename T>
std::vector<T> ReadTable(const std::string& bytes, size_t offset,
                         size_t count) {
  if (offset > bytes.size() || (bytes.size() - offset) / sizeof(T) < count) {
    return {};
  }
  std::vector<T> table(count);
  if (count != 0) memcpy(table.data(), &bytes[offset], count * sizeof(T));
  return table;
}

}  // namespace

ElfImage::ElfImage(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  bytes_.assign(std::istreambuf_iterator<char>(file), {});
  const auto headers = ReadTable<Elf64_Ehdr>(bytes_, 0, 1);
  if (headers.empty() || memcmp(headers[0].e_ident, ELFMAG, SELFMAG) != 0 ||
      headers[0].e_ident[EI_CLASS] != ELFCLASS64) {
    return;
  }
  segments_ =
      ReadTable<Elf64_Phdr>(bytes_, headers[0].e_phoff, headers[0].e_phnum);
  sections_ =
      ReadTable<Elf64_Shdr>(bytes_, headers[0].e_shoff, headers[0].e_shnum);
}

std::vector<DynamicSymbol> ElfImage::Symbols() const {
  std::vector<DynamicSymbol> result;
  const Elf64_Shdr* section = Section(SHT_DYNSYM);
  if (section == nullptr) return result;
  const Elf64_Shdr& strings = sections_[section->sh_link];
  for (const Elf64_Sym& symbol : Table<Elf64_Sym>(*section)) {
    const unsigned binding = ELF64_ST_BIND(symbol.st_info);
    if (binding == STB_LOCAL) continue;
    result.push_back({Text(strings, symbol.st_name),
                      symbol.st_shndx != SHN_UNDEF, binding == STB_WEAK});
  }
  return result;
}

std::vector<std::string> ElfImage::Texts(Elf64_Sxword tag) const {
  std::vector<std::string> result;
  const Elf64_Shdr* section = Section(SHT_DYNAMIC);
  if (section == nullptr) return result;
  for (const Elf64_Dyn& entry : Table<Elf64_Dyn>(*section)) {
    if (entry.d_tag != tag) continue;
    result.push_back(Text(sections_[section->sh_link], entry.d_un.d_val));
  }
  return result;
}

bool ElfImage::Has(Elf64_Sxword tag) const {
  const Elf64_Shdr* section = Section(SHT_DYNAMIC);
  if (section == nullptr) return false;
  for (const Elf64_Dyn& entry : Table<Elf64_Dyn>(*section)) {
    if (entry.d_tag == tag) return true;
  }
  return false;
}

template <typename T>
std::vector<T> ElfImage::Table(const Elf64_Shdr& section) const {
  return ReadTable<T>(bytes_, section.sh_offset, section.sh_size / sizeof(T));
}

const Elf64_Shdr* ElfImage::Section(Elf64_Word type) const {
  for (const Elf64_Shdr& section : sections_) {
    if (section.sh_type == type && section.sh_link < sections_.size()) {
      return &section;
    }
  }
  return nullptr;
}

std::string ElfImage::Text(const Elf64_Shdr& strings, size_t offset) const {
  const size_t start = strings.sh_offset + offset;
  if (offset >= strings.sh_size || start >= bytes_.size()) return "";
  return bytes_.c_str() + start;
}

}  // namespace myonly::testing
