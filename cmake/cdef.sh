#!/bin/sh
# The declarations of nilu.h without anything of the system's headers, as cffi reads them: cmake/cdef.sh INCLUDE > nilu_cdef.h
set -eu
stubs=$(mktemp -d)
trap 'rm -rf "$stubs"' EXIT
for h in signal stdbool stddef stdint; do : >"$stubs/$h.h"; done
echo "typedef int sig_atomic_t;"
"${CC:-cc}" -E -P -nostdinc -undef -I"$stubs" -I"$1" -x c "$1/nilu.h"
