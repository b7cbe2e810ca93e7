// Writes the smallest file that looks like a program to the loader's checks.
#ifndef MYONLY_TESTS_TOOLS_ELF_FILE_H_
#define MYONLY_TESTS_TOOLS_ELF_FILE_H_

#include <elf.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

namespace myonly::testing {

// A 64-bit program with one segment of type `segment_type`: PT_INTERP makes it
// a dynamic one, anything else a static one. It can't really run.
inline void WriteElfFile(const std::string& path, unsigned segment_type) {
  Elf64_Ehdr header{};
  for (int i = 0; i < SELFMAG; ++i) {
    header.e_ident[i] = static_cast<unsigned char>(ELFMAG[i]);
  }
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = segment_type;
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&header), sizeof(header));
  file.write(reinterpret_cast<const char*>(&segment), sizeof(segment));
  file.close();
  chmod(path.c_str(), 0755);
}

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_TOOLS_ELF_FILE_H_
