// Where a random test takes its decisions from: a seeded generator, or the
// bytes that a fuzzer made up.
#ifndef MYONLY_TESTS_MODEL_CHOICES_H_
#define MYONLY_TESTS_MODEL_CHOICES_H_

#include <cstddef>
#include <cstdint>

namespace myonly::testing {

class Choices {
 public:
  virtual ~Choices() = default;

  // A number in [0, bound). `bound` > 0.
  virtual uint64_t Below(uint64_t bound) = 0;
  // True when no decision is left.
  virtual bool exhausted() const = 0;
};

// Never exhausted. Equal seeds give equal numbers.
class RandomChoices final : public Choices {
 public:
  explicit RandomChoices(uint64_t seed) : state_(seed) {}

  uint64_t Below(uint64_t bound) override { return Next() % bound; }
  bool exhausted() const override { return false; }

 private:
  // SplitMix64.
  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t value = state_;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }

  uint64_t state_;
};

// Takes as many bytes for a number as its bound has; zeros after the last one.
class ByteChoices final : public Choices {
 public:
  ByteChoices(const uint8_t* bytes, size_t count)
      : bytes_(bytes), count_(count) {}

  uint64_t Below(uint64_t bound) override {
    uint64_t value = 0;
    for (uint64_t rest = bound - 1; rest != 0; rest >>= 8) {
      value = value << 8 | (next_ < count_ ? bytes_[next_] : 0);
      ++next_;
    }
    return value % bound;
  }
  bool exhausted() const override { return next_ >= count_; }

 private:
  const uint8_t* bytes_;
  size_t count_;
  size_t next_ = 0;
};

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_MODEL_CHOICES_H_
