#!/usr/bin/env bash
# make fuzz: runs every target of test/fuzz for FUZZ_SECONDS (60), two at a time, and says what
# each has done. FUZZ_TARGETS names some of them only. Inputs that break something are kept.
set -euo pipefail
cd "$(dirname "$0")/../.."
test/bin/setup.sh fuzz
seconds=${FUZZ_SECONDS:-60}
make -s -C test/fuzz -j 2 all
cd test/fuzz/build
rm -rf seeds && mkdir -p seeds logs broken
perl ../seeds.pl ../../vectors/vectors.json ../../../sql/presets.json seeds

run() {
	mkdir -p "corpus/$1" "seeds/$1"
	"./$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
		-artifact_prefix="broken/$1-" "corpus/$1" "seeds/$1" >"logs/$1" 2>&1
}
export -f run
export seconds

# shellcheck disable=SC2086
targets=${FUZZ_TARGETS:-$(ls ../fuzz_*.c | sed 's|.*fuzz_\(.*\)\.c|\1|')}
echo "$targets" | tr ' ' '\n' | xargs -P 2 -I {} bash -c 'run {} || echo "{}" >>broken/list' || true
bad=0
for target in $targets; do
	if grep -qx "$target" broken/list 2>/dev/null; then
		echo "$target: BROKEN, see test/fuzz/build/logs/$target and test/fuzz/build/broken"
		tail -n 15 "logs/$target" | sed 's/^/    /'
		bad=1
	else
		awk -v name="$target" '/number_of_executed_units/ {runs = $2} /cov: / {for (i = 1; i < NF; i++) if ($i == "ft:") features = $(i + 1)} END {printf "%s: %d inputs, %d features, nothing broken\n", name, runs, features}' "logs/$target"
	fi
done
exit $bad
