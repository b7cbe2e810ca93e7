// How much a test does: little in a test run, more where TEST_LONG=1 asks for
// it (tools/long_suite).
#ifndef MYONLY_TESTS_CONCURRENCY_LONG_RUN_H_
#define MYONLY_TESTS_CONCURRENCY_LONG_RUN_H_

#include <stdlib.h>

namespace myonly::testing {

template <typename Number>
Number ShortOrLong(Number in_a_test_run, Number long_one) {
  const char* text = getenv("TEST_LONG");
  return text != nullptr && *text == '1' ? long_one : in_a_test_run;
}

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_CONCURRENCY_LONG_RUN_H_
