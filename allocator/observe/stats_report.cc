#include "allocator/observe/stats_report.h"

#include <cstring>

namespace myonly::internal {
namespace {

// Name and meaning of each figure; a name that ends in _total is a counter's.
constexpr char kArenaTexts[] =
    "reserved_bytes\0Pages it holds.\0"
    "live_blocks\0Blocks that are allocated and not freed.\0"
    "live_bytes\0Usable bytes of live blocks.\0"
    "peak_live_bytes\0Most live bytes seen when pages were taken.\0"
    "allocations_total\0Blocks allocated.\0"
    "frees_total\0Blocks freed, or dropped by a reset.\0"
    "region_bytes\0Pages of regions and slabs, which are cut up.\0"
    "large_bytes\0Pages of runs that are one block each.\0"
    "huge_bytes\0Pages of mappings that are one block each.\0"
    "huge_blocks\0Mappings that are one block each.\0"
    "free_block_bytes\0Free blocks and objects in regions and slabs.\0"
    "limit_bytes\0Most bytes it may be charged; 0 is no limit.\0"
    "resets_total\0Times it was reset.\0"
    "charged_bytes\0Bytes that count against its limit.\0"
    "soft_limit_bytes\0Above this it tells of pressure; 0 is none.\0"
    "children\0Arenas whose parent it is.\0"
    "refusals_total\0Requests that its limit or a parent's refused.\0";

constexpr char kProcessTexts[] =
    "arenas\0Arenas of the program.\0"
    "free_resident_bytes\0Free runs of all arenas that may be resident.\0"
    "kept_mapping_bytes\0Freed mappings that are kept for later.\0"
    "live_blocks\0Blocks that are live in any arena.\0"
    "live_bytes\0Usable bytes of live blocks in all arenas.\0"
    "reserved_bytes\0Pages that all arenas hold.\0";

constexpr size_t kStatsFields =
    (sizeof(ArenaStats) - offsetof(ArenaStats, live_blocks)) / sizeof(uint64_t);
constexpr size_t kArenaFigures = kStatsFields + 1;
constexpr size_t kProcessFigures = sizeof(ProcessFigures) / sizeof(uint64_t);

// Texts are in pairs.
constexpr size_t CountTexts(const char* texts, size_t size) {
  size_t count = 0;
  for (size_t i = 0; i + 1 < size; ++i) count += texts[i] == '\0' ? 1 : 0;
  return count;
}
static_assert(CountTexts(kArenaTexts, sizeof(kArenaTexts)) ==
              2 * kArenaFigures);
static_assert(CountTexts(kProcessTexts, sizeof(kProcessTexts)) ==
              2 * kProcessFigures);

struct ArenaValues {
  explicit ArenaValues(const ArenaStats& stats) {
    values[0] = stats.reserved_bytes();
    memcpy(values + 1,
           reinterpret_cast<const char*>(&stats) +
               offsetof(ArenaStats, live_blocks),
           kStatsFields * sizeof(uint64_t));
  }
  uint64_t values[kArenaFigures];
};

struct ProcessValues {
  explicit ProcessValues(const ProcessFigures& figures) {
    memcpy(values, &figures, sizeof(values));
  }
  uint64_t values[kProcessFigures];
};

// Calls visit(const ArenaFigures&) for each arena.
template <typename Visit>
void VisitFigures(const StatsSource& source, Visit visit) {
  ArenaFigures figures;
  for (size_t position = 0; source.next(source.ctx, &position, &figures);) {
    visit(figures);
  }
}

void AddSums(const StatsSource& source) {
  VisitFigures(source, [&source](const ArenaFigures& figures) {
    source.process->live_blocks += figures.stats.live_blocks;
    source.process->live_bytes += figures.stats.live_bytes;
    source.process->reserved_bytes += figures.stats.reserved_bytes();
  });
}

// --- Text. ---

void WriteLines(const char* text, const uint64_t* values, size_t count,
                ReportWriter* out) {
  for (size_t i = 0; i < count; ++i) {
    out->Number(values[i], 15).Text("  ").Text(text).Text("\n");
    text = NextText(NextText(text));
  }
}

void WriteText(const StatsSource& source, ReportWriter* out) {
  if (source.process != nullptr) {
    out->Text("myonlymalloc ").Text(source.version).Text(": process\n");
    WriteLines(kProcessTexts, ProcessValues(*source.process).values,
               kProcessFigures, out);
  }
  VisitFigures(source, [out](const ArenaFigures& figures) {
    out->Text("arena ").Quoted(figures.stats.name).Text(" ");
    out->Address(figures.handle).Text("\n");
    WriteLines(kArenaTexts, ArenaValues(figures.stats).values, kArenaFigures,
               out);
  });
}

// --- JSON. ---

void WriteMembers(const char* text, const uint64_t* values, size_t count,
                  ReportWriter* out) {
  for (size_t i = 0; i < count; ++i) {
    out->Text(i == 0 ? "\"" : ",\"").Text(text).Text("\":").Number(values[i]);
    text = NextText(NextText(text));
  }
  out->Text("}");
}

void WriteJson(const StatsSource& source, ReportWriter* out) {
  if (source.process != nullptr) {
    out->Text("{\"version\":").Quoted(source.version).Text(",\"process\":{");
    WriteMembers(kProcessTexts, ProcessValues(*source.process).values,
                 kProcessFigures, out);
    out->Text(",\"arenas\":[");
  }
  bool is_first = true;
  VisitFigures(source, [out, &is_first](const ArenaFigures& figures) {
    out->Text(is_first ? "{\"arena\":" : ",{\"arena\":")
        .Quoted(figures.stats.name);
    out->Text(",\"id\":\"").Address(figures.handle).Text("\",");
    WriteMembers(kArenaTexts, ArenaValues(figures.stats).values, kArenaFigures,
                 out);
    is_first = false;
  });
  out->Text(source.process != nullptr ? "]}\n" : "\n");
}

// --- Prometheus. ---

void WriteFamily(const char* prefix, const char* text, ReportWriter* out) {
  const char* help = NextText(text);
  const size_t length = static_cast<size_t>(help - text) - 1;
  const bool is_counter =
      length > 6 && memcmp(text + length - 6, "_total", 6) == 0;
  out->Text("# HELP ").Text(prefix).Text(text).Text(" ").Text(help);
  out->Text("\n# TYPE ").Text(prefix).Text(text);
  out->Text(is_counter ? " counter\n" : " gauge\n");
}

// All arenas of a family follow it: they are asked once for each.
void WritePrometheus(const StatsSource& source, ReportWriter* out) {
  if (source.process != nullptr) {
    WriteFamily("myonly_", "build_info\0The version of the library.", out);
    out->Text("myonly_build_info{version=").Quoted(source.version);
    out->Text("} 1\n");
    const ProcessValues process(*source.process);
    const char* text = kProcessTexts;
    for (const uint64_t value : process.values) {
      WriteFamily("myonly_process_", text, out);
      out->Text("myonly_process_").Text(text).Text(" ").Number(value);
      out->Text("\n");
      text = NextText(NextText(text));
    }
  }
  const char* text = kArenaTexts;
  for (size_t i = 0; i < kArenaFigures; ++i) {
    WriteFamily("myonly_arena_", text, out);
    VisitFigures(source, [i, text, out](const ArenaFigures& figures) {
      out->Text("myonly_arena_").Text(text).Text("{arena=");
      out->Quoted(figures.stats.name).Text(",id=\"").Address(figures.handle);
      out->Text("\"} ").Number(ArenaValues(figures.stats).values[i]);
      out->Text("\n");
    });
    text = NextText(NextText(text));
  }
}

}  // namespace

void WriteStats(StatsFormat format, const StatsSource& source,
                ReportWriter* out) {
  if (source.process != nullptr) AddSums(source);
  switch (format) {
    case StatsFormat::kJson:
      return WriteJson(source, out);
    case StatsFormat::kPrometheus:
      return WritePrometheus(source, out);
    default:
      return WriteText(source, out);
  }
}

}  // namespace myonly::internal
