#!/bin/bash
# needs: git git
# A history is made, cloned, packed with deltas, repacked by several threads
# and checked.
set -eu
export GIT_CONFIG_NOSYSTEM=1 HOME="${PWD}" GIT_AUTHOR_DATE='@1700000000 +0000'
export GIT_COMMITTER_DATE='@1700000000 +0000'
git config --global user.name tester
git config --global user.email tester@example.com
git config --global init.defaultBranch main
git init -q one
commits=$((LONG_SECONDS * 5 < 60 ? 60 : LONG_SECONDS * 5 > 600 ? 600 : LONG_SECONDS * 5))
for ((i = 0; i < commits; ++i)); do
  seq "${i}" 7 $((i * 5 + 2000)) >"one/file$((i % 40))"
  seq "$((i * 3))" "$((i * 3 + i % 100))" >>"one/notes"
  git -C one add -A
  git -C one commit -qm "change ${i}"
done
git -C one rev-parse HEAD
git clone -q --no-local one two 2>/dev/null
git -C two gc -q --aggressive --prune=now
git -C two -c pack.threads=4 repack -adfq --depth=50 --window=50
git -C two fsck --full --strict 2>&1 | grep -v '^notice' || true
git -C two log --stat --oneline | sha256sum
git -C two grep -c 1234 | sort | sha256sum
git -C two diff HEAD~20 --stat | tail -n 1
