#include "tools/myonly/program.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "tests/support/temp_directory.h"
#include "tests/tools/elf_file.h"

namespace myonly::tools {
namespace {

class ProgramTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const {
    return folder_.path() + "/" + name;
  }
  std::string Write(const std::string& name, const std::string& text,
                    mode_t mode) const {
    std::ofstream(Path(name)) << text;
    EXPECT_EQ(chmod(Path(name).c_str(), mode), 0);
    return Path(name);
  }

  testing::TempDirectory folder_;
};

TEST_F(ProgramTest, NameIsLookedUpInSearchPathInOrder) {
  Write("tool", "#!/bin/sh\n", 0755);
  const Program program = FindProgram("tool", "/nowhere:" + folder_.path());
  EXPECT_EQ(program.path, Path("tool"));
  EXPECT_EQ(program.exit_code, 0);
  EXPECT_EQ(program.error, "");
}

TEST_F(ProgramTest, NameWithSlashIsAPath) {
  Write("tool", "#!/bin/sh\n", 0755);
  EXPECT_EQ(FindProgram(Path("tool"), "").path, Path("tool"));
  EXPECT_EQ(FindProgram("./tool", folder_.path()).exit_code, kExitNotFound);
}

TEST_F(ProgramTest, UnknownNameIsNotFound) {
  const Program program = FindProgram("no-such-tool", folder_.path());
  EXPECT_EQ(program.path, "");
  EXPECT_EQ(program.exit_code, kExitNotFound);
  EXPECT_EQ(program.error, "no-such-tool: not found in PATH");
}

TEST_F(ProgramTest, UnknownPathIsNotFoundWithoutTalkOfSearchPath) {
  EXPECT_EQ(FindProgram("/no/such", "").error, "/no/such: not found");
}

TEST_F(ProgramTest, EmptyNameIsNotFound) {
  EXPECT_EQ(FindProgram("", "/bin").exit_code, kExitNotFound);
}

TEST_F(ProgramTest, FileWithoutPermissionIsNotExecutable) {
  Write("notes", "text", 0644);
  const Program program = FindProgram("notes", folder_.path());
  EXPECT_EQ(program.path, "");
  EXPECT_EQ(program.exit_code, kExitNotExecutable);
}

TEST_F(ProgramTest, SearchGoesOnAfterAFileThatIsNotExecutable) {
  testing::TempDirectory other;
  Write("tool", "text", 0644);
  std::ofstream(other.path() + "/tool") << "#!/bin/sh\n";
  ASSERT_EQ(chmod((other.path() + "/tool").c_str(), 0755), 0);
  EXPECT_EQ(FindProgram("tool", folder_.path() + ":" + other.path()).path,
            other.path() + "/tool");
}

TEST_F(ProgramTest, FolderIsNotExecutable) {
  EXPECT_EQ(FindProgram(folder_.path(), "").exit_code, kExitNotExecutable);
}

TEST_F(ProgramTest, DynamicProgramCanBePreloaded) {
  testing::WriteElfFile(Path("dynamic"), PT_INTERP);
  EXPECT_EQ(WhyNotPreloadable(Path("dynamic")), "");
  EXPECT_EQ(WhyNotPreloadable("/bin/sh"), "");
}

TEST_F(ProgramTest, StaticProgramIsRefused) {
  testing::WriteElfFile(Path("static"), PT_LOAD);
  EXPECT_NE(WhyNotPreloadable(Path("static")).find("is static"),
            std::string::npos);
}

TEST_F(ProgramTest, ScriptIsJudgedByItsInterpreter) {
  testing::WriteElfFile(Path("static"), PT_LOAD);
  Write("script", "#! " + Path("static") + " -x\n", 0755);
  EXPECT_EQ(WhyNotPreloadable(Path("script")).find(Path("static")), 0U);
  Write("good", "#!/bin/sh\n", 0755);
  EXPECT_EQ(WhyNotPreloadable(Path("good")), "");
}

TEST_F(ProgramTest, ScriptThatInterpretsItselfEnds) {
  Write("loop", "#!" + Path("loop") + "\n", 0755);
  EXPECT_EQ(WhyNotPreloadable(Path("loop")), "");
}

TEST_F(ProgramTest, EmptyAndCutFilesAreNotExplained) {
  EXPECT_EQ(WhyNotPreloadable(Write("empty", "", 0755)), "");
  EXPECT_EQ(WhyNotPreloadable(Write("cut", "\177ELF\2", 0755)), "");
}

}  // namespace
}  // namespace myonly::tools
