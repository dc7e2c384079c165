#!/bin/sh
# The architecture as a test: a file includes its own room and earlier ones, and the library's rooms never print or exit.
set -eu
cd "$2"
rooms="base graph ops grad rewrite cpu plan run optim nn data io record train forensics report"
failed=0
check() { # description, lines found
    if [ -z "$2" ]; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        echo "$2"
        failed=1
    fi
}
rank() {
    i=0
    for r in $rooms; do
        [ "$r" = "$1" ] && echo "$i" && return
        i=$((i + 1))
    done
    echo 99
}
up=""
for f in $(find src -name '*.[ch]'); do
    room=$(echo "$f" | cut -d/ -f2)
    for other in $(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$f" | sort -u); do
        [ "$other" = nilu ] || [ "$(rank "$other")" -le "$(rank "$room")" ] || up="$up$f includes $other/
"
    done
done
check "no room looks up" "$up"
check "every file stands in a room" "$(find src -name '*.[ch]' | cut -d/ -f2 | sort -u | while read -r r; do [ "$(rank "$r")" != 99 ] || echo "$r"; done)"
check "the library never prints, exits or aborts" \
    "$(grep -nE '(^|[^a-z_])(printf|puts|putchar|perror|abort|exit|_exit|assert) *\(' -r src | grep -v '^[^:]*:[0-9]*: *\*\|/\*' || true)"
check "the library reads no environment" "$(grep -rnE '(^|[^a-z_])(getenv|secure_getenv)\(' src || true)"
exit $failed
