#!/bin/sh
# nilu in somebody's daemon: examples/daemon.c learns without an allocation or a thread of its own, and clean under valgrind.
set -u
build=$1 source=$2
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
failed=0
try() {
    what=$1
    shift
    if "$@" >"$here/log" 2>&1; then
        echo "ok - $what"
    else
        echo "not ok - $what"
        sed 's/^/    /' "$here/log" | tail -20
        failed=1
    fi
}
grep -q 'NILU_SANITIZE:STRING=.' "$build/CMakeCache.txt" && { echo "ok - not for sanitizer builds"; exit 0; }
libraries=$(pkg-config --libs yaml-0.1 jansson zlib libxxhash libpng libjpeg libutf8proc libprotobuf-c)
# malloc itself is counted too, by a version that stands before libc's.
cat >"$here/count.c" <<'END'
#include <stddef.h>
#include <stdio.h>
#include <dirent.h>
void *__real_malloc(size_t), *__real_realloc(void *, size_t), *__real_calloc(size_t, size_t);
static long calls, since = -1;
void *__wrap_malloc(size_t n) { calls++; return __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t m) { calls++; return __real_calloc(n, m); }
void *__wrap_realloc(void *p, size_t n) { calls++; return __real_realloc(p, n); }
int __real_nilu_step_for(void *, long long, void *);
int __wrap_nilu_step_for(void *plan, long long microseconds, void *steps)
{
    since = since < 0 ? calls : since;
    return __real_nilu_step_for(plan, microseconds, steps);
}
void __real_nilu_plan_free(void *);
void __wrap_nilu_plan_free(void *plan)
{
    long made = calls - since, threads = -2; /* . and .. */
    DIR *d = opendir("/proc/self/task");
    while (d && readdir(d))
        threads++;
    if (d)
        closedir(d);
    fprintf(stderr, "malloc %ld threads %ld\n", made, threads);
    __real_nilu_plan_free(plan);
}
END
# shellcheck disable=SC2086
try "the daemon compiles" gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I"$source/include" "$source/examples/daemon.c" "$here/count.c" -o "$here/daemon" \
    -Wl,--wrap=malloc,--wrap=realloc,--wrap=calloc,--wrap=nilu_step_for,--wrap=nilu_plan_free "$build/libnilu.a" $libraries -fopenmp -lm -ldl
"$here/daemon" >"$here/out" 2>"$here/err" || true
try "it learns" awk '{ exit !($2 < 0.05) }' "$here/out"
try "the allocator is not asked after the start" grep -q ", 0 allocations since the start" "$here/out"
try "nor is malloc, of which printf takes one, and no thread appears" grep -qE "^malloc [01] threads 1$" "$here/err"
sed 's/^/# /' "$here/out" "$here/err"
if command -v valgrind >/dev/null; then
    # valgrind knows no AVX-512
    try "it is clean under valgrind" env NILU_ISA=avx2 valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible "$here/daemon"
else
    echo "ok - it is clean under valgrind # SKIP valgrind is not there"
fi
exit $failed
