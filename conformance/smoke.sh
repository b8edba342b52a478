#!/bin/sh
# The README's first command, on the release binary, as a user would run it: a fresh directory and nothing else.
set -eu
binary=$1
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
cp "$(dirname "$0")/../crates/mantlet/demo/breast-cancer/row.json" "$work/row.json"
cd "$work"
"$binary" serve --demo --listen 127.0.0.1:18443 > out 2> err &
server=$!
for _ in $(seq 200); do
  grep -q '^try it: curl' out && break
  kill -0 "$server" || { cat err; exit 1; }
  sleep 0.05
done
line=$(sed -n '/^try it: /,$p' out | sed 's/^try it: //')
answer=$(sh -c "$line --silent --show-error")
echo "$answer" | grep -q '"result":"benign"' || { echo "unexpected answer: $answer"; exit 1; }
"$binary" predict breast-cancer --input row.json | grep -q '"result":"benign"'
"$binary" audit verify | grep -q '^self-consistent'
kill "$server" && wait "$server"
echo "smoke: the first command works"
