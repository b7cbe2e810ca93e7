#include "allocator/observe/explain_report.h"

namespace myonly::internal {
namespace {

constexpr size_t kColumn = 15;

// Name and meaning of each Part.
constexpr char kPartTexts[] =
    "live\0"
    "usable bytes of live blocks, as much as was asked for or a bit more\0"
    "rounding\0"
    "ends of slabs and of large runs that no block has\0"
    "headers\0"
    "tags of live blocks\0"
    "metadata\0"
    "both ends of regions\0"
    "thread_lists\0"
    "free, kept by a thread for its next requests, or not posted yet\0"
    "remote_queues\0"
    "freed by another thread than the owner, on the way to it\0"
    "free_objects\0"
    "free objects in slabs\0"
    "bins\0"
    "free blocks, but for the whole pages in them\0"
    "dirty\0"
    "whole pages in free blocks, not purged\0"
    "clean\0"
    "whole pages in free blocks and slabs, purged\0"
    "uncut\0"
    "not cut into blocks or objects yet\0"
    "unaccounted\0"
    "moved meanwhile, or behind an overwritten header\0"
    "children\0"
    "charged by the arenas below it";

constexpr char kKindTexts[] = "slabs\0regions\0large\0huge";

size_t UnusedBytes(const Explanation& explanation) {
  return explanation.given_bytes - explanation.held_bytes() -
         explanation.given_free_bytes - explanation.metadata_bytes;
}

// A number, and what of.
void WriteCount(size_t number, const char* what, ReportWriter* out) {
  out->Number(number).Text(what);
}

void WriteTextLine(size_t number, const char* name, ReportWriter* out) {
  out->Number(number, kColumn).Text("  ").Text(name);
}

void WriteParts(const Explanation& explanation, ReportWriter* out) {
  const char* text = kPartTexts;
  for (const size_t part : explanation.parts) {
    WriteTextLine(part, text, out);
    text = NextText(text);
    out->Text(": ").Text(text).Text("\n");
    text = NextText(text);
  }
}

void WriteHoldings(const Explanation& explanation, ReportWriter* out) {
  const char* kind = kKindTexts;
  for (const Explanation::Holding& holding : explanation.holdings) {
    WriteTextLine(holding.bytes, kind, out);
    out->Text(": ");
    WriteCount(holding.count, ", with ", out);
    WriteCount(holding.live_blocks, " live blocks of ", out);
    WriteCount(holding.live_bytes, " bytes\n", out);
    kind = NextText(kind);
  }
}

void WriteWasteful(const Explanation& explanation, ReportWriter* out) {
  out->Text("blocks that pin the most pages: free but for them\n");
  for (const Explanation::PinningBlock& pin : explanation.pins) {
    if (pin.start == nullptr) break;
    out->Text("  ").Address(reinterpret_cast<uintptr_t>(pin.start));
    out->Text(": ");
    WriteCount(pin.bytes, " bytes pin ", out);
    WriteCount(pin.pages, " pages\n", out);
  }
  out->Text("slabs and regions with the most that is not live\n");
  for (const Explanation::SparseRun& run : explanation.sparse) {
    if (run.start == nullptr) break;
    out->Text("  ").Address(reinterpret_cast<uintptr_t>(run.start));
    if (run.object_bytes != 0) {
      out->Text(": slab of ");
      WriteCount(run.object_bytes, "-byte objects", out);
    } else {
      out->Text(": region");
    }
    out->Text(", ");
    WriteCount(run.live_blocks, " live blocks, ", out);
    WriteCount(run.live_bytes, " of ", out);
    WriteCount(run.bytes, " bytes\n", out);
  }
}

// "name":number with a comma before it, unless it is the first one.
void WriteField(const char* name, uint64_t number, ReportWriter* out,
                bool is_first = false) {
  out->Text(is_first ? "\"" : ",\"").Text(name).Text("\":").Number(number);
}

void WriteStart(const char* start, bool is_first, ReportWriter* out) {
  out->Text(is_first ? "{\"address\":\"" : ",{\"address\":\"");
  out->Address(reinterpret_cast<uintptr_t>(start)).Text("\"");
}

void WriteJsonWasteful(const Explanation& explanation, ReportWriter* out) {
  out->Text(",\"pins\":[");
  for (const Explanation::PinningBlock& pin : explanation.pins) {
    if (pin.start == nullptr) break;
    WriteStart(pin.start, &pin == explanation.pins, out);
    WriteField("bytes", pin.bytes, out);
    WriteField("pages", pin.pages, out);
    out->Text("}");
  }
  out->Text("],\"sparse\":[");
  for (const Explanation::SparseRun& run : explanation.sparse) {
    if (run.start == nullptr) break;
    WriteStart(run.start, &run == explanation.sparse, out);
    out->Text(run.object_bytes != 0 ? ",\"kind\":\"slab\""
                                    : ",\"kind\":\"region\"");
    WriteField("bytes", run.bytes, out);
    WriteField("object_bytes", run.object_bytes, out);
    WriteField("live_blocks", run.live_blocks, out);
    WriteField("live_bytes", run.live_bytes, out);
    out->Text("}");
  }
  out->Text("]");
}

void WriteJsonSums(const Explanation& explanation, ReportWriter* out) {
  const char* text = kPartTexts;
  out->Text(",\"parts\":{");
  for (size_t i = 0; i < kNumParts; ++i) {
    WriteField(text, explanation.parts[i], out, i == 0);
    text = NextText(NextText(text));
  }
  text = kKindTexts;
  out->Text("},\"kinds\":{");
  for (const Explanation::Holding& holding : explanation.holdings) {
    out->Text(text == kKindTexts ? "\"" : ",\"").Text(text).Text("\":{");
    WriteField("count", holding.count, out, true);
    WriteField("bytes", holding.bytes, out);
    WriteField("live_blocks", holding.live_blocks, out);
    WriteField("live_bytes", holding.live_bytes, out);
    out->Text("}");
    text = NextText(text);
  }
  out->Text("}");
}

}  // namespace

void WriteText(const Explanation& explanation, ReportWriter* out) {
  out->Text("arena ").Quoted(explanation.name).Text(" ");
  out->Address(explanation.handle).Text(": ");
  out->Number(explanation.charged_bytes).Text(" bytes charged");
  if (explanation.limit_bytes != 0) {
    out->Text(", limit ").Number(explanation.limit_bytes);
  }
  if (explanation.counts_blocks) {
    out->Text("; live blocks and children only, of ");
    out->Number(explanation.held_bytes()).Text(" bytes of pages");
  }
  out->Text("\n");
  WriteParts(explanation, out);
  out->Text("held as\n");
  WriteHoldings(explanation, out);
  out->Text("beside the charge\n");
  WriteTextLine(explanation.metadata_bytes, "descriptors and records\n", out);
  if (explanation.given_bytes != 0) {
    out->Text("memory of its own\n");
    WriteTextLine(explanation.held_bytes(), "held\n", out);
    WriteTextLine(explanation.given_free_bytes, "free\n", out);
    WriteTextLine(explanation.metadata_bytes, "descriptors and records\n", out);
    WriteTextLine(UnusedBytes(explanation), "not used yet, or too small\n",
                  out);
    WriteTextLine(explanation.given_bytes, "given by the program\n", out);
  }
  WriteWasteful(explanation, out);
}

void WriteJson(const Explanation& explanation, ReportWriter* out) {
  out->Text("{\"arena\":").Quoted(explanation.name).Text(",\"id\":\"");
  out->Address(explanation.handle).Text("\"");
  WriteField("charged_bytes", explanation.charged_bytes, out);
  WriteField("held_bytes", explanation.held_bytes(), out);
  WriteField("limit_bytes", explanation.limit_bytes, out);
  out->Text(explanation.counts_blocks ? ",\"exact_bytes\":true"
                                      : ",\"exact_bytes\":false");
  WriteJsonSums(explanation, out);
  WriteField("metadata_bytes", explanation.metadata_bytes, out);
  if (explanation.given_bytes != 0) {
    WriteField("given_bytes", explanation.given_bytes, out);
    WriteField("given_free_bytes", explanation.given_free_bytes, out);
    WriteField("given_unused_bytes", UnusedBytes(explanation), out);
  }
  WriteJsonWasteful(explanation, out);
  out->Text("}\n");
}

}  // namespace myonly::internal
