#!/usr/bin/env bash
# run.sh [FILE...]: runs tests with SDKs against a shim and a database that run already, and prints
# TAP, one stream for each file. INTAKE_URL names the shim; PGHOST, PGPORT, PGUSER and PGDATABASE,
# the database as its owner. Wants "npm ci" to have run here.
#
# Without --test, every version of Node prints one line for each test.
set -euo pipefail
cd "$(dirname "$0")"
: "${INTAKE_URL:?}" "${PGHOST:?}" "${PGPORT:?}" "${PGUSER:?}" "${PGDATABASE:?}"

[ $# -gt 0 ] || set -- *.test.js
status=0
for file; do
	node --test-reporter=tap "$file" || status=1
done
exit "$status"
