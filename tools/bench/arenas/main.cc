// arenas: what arenas cost, beside those of other allocators. See kUsage.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "tools/bench/arenas/measures.h"
#include "tools/bench/machine.h"
#include "tools/bench/statistics.h"
#include "tools/myonly/runfiles.h"

namespace myonly::bench {
namespace {

constexpr char kUsage[] =
    "tools/bazel run //tools/bench:arenas -- [OPTION]...\n"
    "\n"
    "Measures creating, using and dropping arenas, in a process for each "
    "figure,\n"
    "and prints medians of all rounds with the bars.\n"
    "\n"
    "  --peer NAME=PATH.so  also the heaps of this library: mimalloc 3, or\n"
    "                       another build of this project\n"
    "  --rounds N           rounds of everything; 5\n"
    "  --scale X            so many times the usual work; 1\n"
    "  --json FILE          writes all figures\n"
    "  --help\n";

struct Library {
  std::string name;
  std::string path;
};

struct Arguments {
  std::vector<Library> libraries;
  int rounds = 5;
  double scale = 1;
  std::string json_file;
  bool help = false;
};

// Rounds of one measure on one library; empty: it failed.
using Rounds = std::vector<double>;
struct Figures {
  std::vector<std::vector<Rounds>> of;  // library, measure
};

// Stores what the option says. False: it is wrong.
bool Store(const std::string& option, const std::string& value,
           Arguments* arguments) {
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  const bool is_number = !value.empty() && *end == '\0' && number > 0;
  if (option == "--peer") {
    const size_t sign = value.find('=');
    if (sign == std::string::npos || sign == 0) return false;
    arguments->libraries.push_back(
        {value.substr(0, sign), value.substr(sign + 1)});
  } else if (option == "--rounds" && is_number && number >= 1) {
    arguments->rounds = static_cast<int>(number);
  } else if (option == "--scale" && is_number) {
    arguments->scale = number;
  } else if (option == "--json" && !value.empty()) {
    arguments->json_file = value;
  } else {
    return false;
  }
  return true;
}

// Returns what is wrong, or "".
std::string Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    std::string option = argv[i];
    if (option == "--help") {
      arguments->help = true;
      continue;
    }
    std::string value;
    const size_t sign = option.find('=');
    if (sign != std::string::npos) {
      value = option.substr(sign + 1);
      option.resize(sign);
    } else if (i + 1 < argc) {
      value = argv[++i];
    }
    if (!Store(option, value, arguments)) {
      if (!value.empty()) option += "=" + value;
      return option += ": see --help";
    }
  }
  return "";
}

double Median(const Rounds& rounds) { return Quantile(rounds, 0.5); }

size_t IndexOf(const char* name) {
  const std::vector<Measure>& measures = AllMeasures();
  size_t index = 0;
  while (std::strcmp(measures[index].name, name) != 0) ++index;
  return index;
}

// What is compared with the bar: the median, or how many times another one's.
// Negative: it failed.
double Compared(const std::vector<Rounds>& of, size_t measure) {
  if (of[measure].empty()) return -1;
  const double median = Median(of[measure]);
  const char* over = AllMeasures()[measure].over;
  if (over == nullptr) return median;
  const Rounds& base = of[IndexOf(over)];
  return base.empty() ? -1 : median / Median(base);
}

std::string Cell(const std::vector<Rounds>& of, size_t measure) {
  if (of[measure].empty()) return "failed";
  const Measure& what = AllMeasures()[measure];
  std::string cell = absl::StrFormat("%.2f %s", Median(of[measure]), what.unit);
  if (what.over != nullptr) {
    cell += absl::StrFormat(", %.2fx", Compared(of, measure));
  }
  return cell;
}

std::string Table(const Arguments& arguments, const Figures& figures) {
  std::string text = "|  | bar |";
  std::string line = "|---|---|";
  for (const Library& library : arguments.libraries) {
    text += " " + library.name + " |";
    line += "---|";
  }
  text += "\n" + line + "\n";
  const std::vector<Measure>& measures = AllMeasures();
  for (size_t i = 0; i < measures.size(); ++i) {
    const Measure& measure = measures[i];
    text += absl::StrFormat("| %s |", measure.title);
    text += measure.bar == 0 ? " "
            : measure.over == nullptr
                ? absl::StrFormat(" %g %s", measure.bar, measure.unit)
                : absl::StrFormat(" %gx", measure.bar);
    text += " |";
    for (size_t j = 0; j < figures.of.size(); ++j) {
      text += " " + Cell(figures.of[j], i);
      const double compared = Compared(figures.of[j], i);
      if (j == 0 && measure.bar != 0) {
        text += compared >= 0 && compared <= measure.bar ? "" : " (missed)";
      }
      text += " |";
    }
    text += "\n";
  }
  return text;
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return quoted + "\"";
}

std::string Json(const Arguments& arguments, const Figures& figures) {
  const Machine machine = DescribeMachine();
  std::string text = absl::StrFormat(
      "{\"version\": 1, \"date\": %s, \"cpu\": %s, \"cores\": %d, "
      "\"kernel\": %s,\n \"figures\": [",
      Quoted(machine.date), Quoted(machine.cpu), machine.cores,
      Quoted(machine.kernel));
  const char* separator = "";
  for (size_t j = 0; j < figures.of.size(); ++j) {
    for (size_t i = 0; i < AllMeasures().size(); ++i) {
      const Measure& measure = AllMeasures()[i];
      text += absl::StrFormat(
          "%s\n  {\"allocator\": %s, \"measure\": %s, \"unit\": %s, "
          "\"bar\": %g, \"compared\": %.4f, \"rounds\": [",
          separator, Quoted(arguments.libraries[j].name), Quoted(measure.name),
          Quoted(measure.unit), measure.bar, Compared(figures.of[j], i));
      const char* comma = "";
      for (const double value : figures.of[j][i]) {
        text += absl::StrFormat("%s%.4f", comma, value);
        comma = ", ";
      }
      text += "]}";
      separator = ",";
    }
  }
  return text + "\n]}\n";
}

// In turn, so that what else the machine does meets all of them.
bool MeasureAll(const Arguments& arguments, Figures* figures) {
  const std::vector<Measure>& measures = AllMeasures();
  figures->of.assign(arguments.libraries.size(),
                     std::vector<Rounds>(measures.size()));
  bool good = true;
  for (int round = 0; round < arguments.rounds; ++round) {
    for (size_t i = 0; i < measures.size(); ++i) {
      for (size_t j = 0; j < arguments.libraries.size(); ++j) {
        const Library& library = arguments.libraries[j];
        std::string error;
        const double value =
            RunMeasure(measures[i], library.path, arguments.scale, &error);
        if (value >= 0) {
          figures->of[j][i].push_back(value);
          continue;
        }
        std::fprintf(stderr, "arenas: %s: %s\n", library.name.c_str(),
                     error.c_str());
        good = false;
      }
    }
    std::fprintf(stderr, "round %d of %d\n", round + 1, arguments.rounds);
  }
  return good;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  arguments.libraries.push_back(
      {"myonly", tools::FindRunfile("capi/libmyonlymalloc.so")});
  const std::string wrong = Parse(argc, argv, &arguments);
  if (!wrong.empty()) {
    std::fprintf(stderr, "arenas: %s\n", wrong.c_str());
    return 2;
  }
  if (arguments.help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  const char* folder = std::getenv("BUILD_WORKING_DIRECTORY");
  if (folder != nullptr && chdir(folder) != 0) return 1;
  Figures figures;
  const bool good = MeasureAll(arguments, &figures);
  std::fputs(Table(arguments, figures).c_str(), stdout);
  if (!arguments.json_file.empty()) {
    std::ofstream file(arguments.json_file);
    if (!(file << Json(arguments, figures) << std::flush)) {
      std::fprintf(stderr, "arenas: %s: can't be written\n",
                   arguments.json_file.c_str());
      return 1;
    }
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace myonly::bench

int main(int argc, char** argv) { return myonly::bench::Main(argc, argv); }
