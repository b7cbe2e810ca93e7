// Spin runs through every interleaving of the models in this folder, store
// buffers included. Each model holds, and each of its planted mistakes
// (-DMUTANT=n) is found: a model that finds nothing proves nothing.

#include <cstdlib>
#include <ostream>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"
#include "tests/support/temp_directory.h"

namespace myonly::testing {
namespace {

struct Model {
  const char* name;
  int mutants;
};

std::ostream& operator<<(std::ostream& out, const Model& model) {
  return out << model.name;
}

bool Have(const char* command) {
  return std::system((std::string("command -v ") + command + " >/dev/null 2>&1")
                         .c_str()) == 0;
}

// What the checker says: its exit status is the same in both cases.
std::string Check(const std::string& model, int mutant) {
  const TempDirectory directory;
  const std::string source = RunfilePath("tests/model_checking/" + model);
  const std::string number = std::to_string(mutant);
  // Speed counts where all states are visited.
  const char* level = mutant == 0 ? "-O1" : "-O0";
  ChildOptions options;
  options.directory = directory.path();
  options.timeout_seconds = 600;
  options.argv = {"sh", "-c",
                  "set -e; cp -L $(dirname " + source +
                      ")/*.pml .; spin -a -DMUTANT=" + number + " " + model +
                      " && gcc " + level +
                      " -w -DSAFETY -DMEMLIM=2000 -o pan pan.c && "
                      "./pan -m100000"};
  const ChildResult result = RunChild(options);
  return result.out + result.Describe();
}

class ModelCheckingTest : public ::testing::TestWithParam<Model> {};

TEST_P(ModelCheckingTest, HoldsInEveryInterleavingAndFindsEveryMutant) {
  if (!Have("spin") || !Have("gcc")) {
    GTEST_SKIP() << "needs spin and gcc";
  }
  const std::string name = std::string(GetParam().name) + ".pml";
  const std::string answer = Check(name, 0);
  EXPECT_NE(answer.find("errors: 0"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("max search depth too small"), std::string::npos);
  EXPECT_EQ(answer.find("Search not completed"), std::string::npos) << answer;
  const size_t states = answer.find(" states, stored");
  if (states != std::string::npos) {
    const size_t line = answer.rfind('\n', states);
    RecordProperty("states", answer.substr(line + 1, states - line - 1));
  }
  for (int mutant = 1; mutant <= GetParam().mutants; ++mutant) {
    const std::string found = Check(name, mutant);
    EXPECT_NE(found.find("errors: 1"), std::string::npos)
        << name << " does not find mutant " << mutant << ": " << found;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ModelCheckingTest,
    ::testing::Values(Model{"mutex", 4}, Model{"remote_free", 6},
                      Model{"abandon", 5}, Model{"destroy", 6},
                      Model{"fork", 6}, Model{"purge", 4}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace myonly::testing
