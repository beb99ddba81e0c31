# shellcheck shell=bash
# How much of everything a benchmark takes; to be sourced.
SCALE=${SCALE:-1}

# scaled NUMBER [LEAST]: that share of a number.
scaled() {
	awk -v n="$1" -v least="${2:-1}" -v s="$SCALE" 'BEGIN {n *= s; printf "%.0f", n < least ? least : n}'
}
