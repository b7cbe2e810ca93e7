#!/bin/bash
# needs: g++ g++, cmp diffutils
# g++ compiles this project's allocator; the objects are the same.
set -u
most=$((LONG_SECONDS < 60 ? 3 : 1000))
cd "${PROJECT}" || exit 1
for file in allocator/*/*.cc; do
  ((most-- > 0)) || break
  g++ -std=c++17 -O2 -fno-exceptions -fno-rtti -I. -c "${file}" \
    -o "${OLDPWD}/object.o" || { echo "${file} does not compile"; continue; }
  echo "${file} $(sha256sum <"${OLDPWD}/object.o")"
done
