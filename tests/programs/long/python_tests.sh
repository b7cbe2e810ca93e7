#!/bin/bash
# needs: python3 python3, /usr/lib/python3.11/test/test_dict.py libpython3.11-testsuite
# Python's own test suite, with Python's small blocks coming from malloc too.
# Prints which tests did not succeed, and fails if there is one: what fails
# without the allocator, too, would show nothing of it. Left out: tests of the
# network, of gdb, and those that count what malloc does or take a time limit.
set -u
export PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
all="test_array test_ast test_bigmem test_bytes test_bz2 test_collections
 test_compile test_concurrent_futures test_copy test_ctypes test_deque test_dict
 test_difflib test_exceptions test_fork1 test_functools test_gc test_generators
 test_heapq test_io test_itertools test_json test_list test_lzma test_mmap
 test_multiprocessing_fork test_pickle test_queue test_random test_re test_set
 test_statistics test_unicode test_struct test_subprocess test_thread
 test_threading test_threading_local test_tuple test_unicodedata test_weakref
 test_xml_etree test_zipfile test_zlib"
if ((LONG_SECONDS < 60)); then all="test_dict test_json test_list test_unicode"; fi
status=0
for test in ${all}; do
  timeout 900 /usr/bin/python3 -m test -q "${test}" >log 2>&1
  result=$?
  ((result == 0)) || {
    echo "${test}: exit ${result}"
    tail -n 20 log >&2
    status=1
  }
done
echo "tests: $(wc -w <<<"${all}")"
exit "${status}"
