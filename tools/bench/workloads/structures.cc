// Workloads of one thread on what programs are made of: strings, maps, trees.
#include <algorithm>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/bench/workloads/workload.h"

namespace myonly::bench {
namespace {

std::string MakeWord(Random* random) {
  static constexpr char kSyllables[] = "rakelomitusanebivogihupydefo";
  std::string word;
  const size_t syllables = random->Between(1, random->Below(20) == 0 ? 16 : 5);
  for (size_t i = 0; i < syllables; ++i) {
    word.append(kSyllables + 2 * random->Below(sizeof(kSyllables) / 2), 2);
  }
  return word;
}

// Lines of words from a vocabulary in which few words are frequent.
std::string MakeText(size_t lines, Random* random) {
  std::vector<std::string> vocabulary(20000);
  for (std::string& word : vocabulary) word = MakeWord(random);
  std::string text;
  for (size_t line = 0; line < lines; ++line) {
    const size_t words = random->Between(4, 14);
    for (size_t i = 0; i < words; ++i) {
      const size_t rank = random->Below(1 + random->Below(vocabulary.size()));
      text += vocabulary[rank] + (i + 1 < words ? ' ' : '\n');
    }
  }
  return text;
}

uint64_t SumOf(const std::string& text) {
  uint64_t sum = 0xcbf29ce484222325;
  for (const char c : text) {
    sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return sum;
}

// The lines with their words in turned order, joined again.
std::string TurnLines(const std::string& text, Outcome* outcome) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream stream(line);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    std::reverse(words.begin(), words.end());
    for (const std::string& word : words) result += word + ' ';
    outcome->operations += words.size();
  }
  return result;
}

struct Node {
  std::unique_ptr<Node> left, right;
  uint64_t value = 0;
};

std::unique_ptr<Node> BuildTree(int depth, uint64_t value) {
  auto node = std::make_unique<Node>();
  node->value = value;
  if (depth > 0) {
    node->left = BuildTree(depth - 1, 2 * value);
    node->right = BuildTree(depth - 1, 2 * value + 1);
  }
  return node;
}

uint64_t SumTree(const Node* node) {
  if (node == nullptr) return 0;
  return node->value + SumTree(node->left.get()) + SumTree(node->right.get());
}

}  // namespace

void Text(double scale, Outcome* outcome) {
  Random random(20);
  const std::string text = MakeText(Scaled(60000, scale), &random);
  std::unordered_map<std::string, size_t> counts;
  std::map<std::string, std::vector<size_t>> places;
  std::istringstream stream(text);
  size_t place = 0;
  for (std::string word; stream >> word; ++place) {
    ++counts[word];
    places[word].push_back(place);
  }
  std::vector<std::pair<size_t, std::string>> ranking;
  for (const auto& [word, count] : counts) {
    // Growth is what programs like this one do.
    // NOLINTNEXTLINE(performance-inefficient-vector-operation)
    ranking.emplace_back(count, word);
  }
  std::sort(ranking.begin(), ranking.end());
  for (const auto& [count, word] : ranking) {
    outcome->checksum = outcome->checksum * 31 + SumOf(word) + count;
    outcome->checksum += places[word].back();
  }
  outcome->operations = place;
  outcome->checksum += SumOf(TurnLines(text, outcome));
}

void Trees(double scale, Outcome* outcome) {
  const int depth = scale >= 1 ? 17 : scale >= 0.1 ? 14 : 8;
  const std::unique_ptr<Node> kept = BuildTree(depth, 1);
  const size_t rounds = Scaled(30, scale);
  for (size_t round = 0; round < rounds; ++round) {
    for (int low = 4; low < depth; low += 2) {
      const size_t trees = size_t{1}
                           << (depth - low - 2 > 0 ? depth - low - 2 : 0);
      for (size_t i = 0; i < trees; ++i) {
        const std::unique_ptr<Node> tree = BuildTree(low, i + round);
        outcome->checksum += SumTree(tree.get());
        outcome->operations += (size_t{2} << low) - 1;
      }
    }
  }
  outcome->checksum += SumTree(kept.get());
  outcome->operations += (size_t{2} << depth) - 1;
}

}  // namespace myonly::bench
