#!/bin/sh
# Files that are damaged, or made to do harm: each gets one sentence, and nothing else happens (tests/hostile).
exec python3 "$2/tests/hostile/run.py" "$1"
