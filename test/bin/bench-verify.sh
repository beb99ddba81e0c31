# Part of make bench, which sources it: verifications in one backend, next to openssl speed.
# Uses query, ratio and $dir of bench.sh.

# openssl_speed ALGORITHM... FIELD: what openssl speed says of one core, for 1 KiB.
openssl_speed() {
	openssl speed -mr -seconds 2 -bytes 1024 "${@:1:$#-1}" 2>/dev/null | awk -F: -v field="${!#}" '/^\+F/ {print $field}' | tail -n 1
}

# verify_speed NAME PRESET SECRET HEADERS COUNT OF-OPENSSL: one row of the table. What the same
# query takes without the verification is taken off.
verify_speed() {
	local times rate
	query -v preset="$2" -v secret="$3" >/dev/null <<-'SQL'
		SET client_min_messages = warning;
		SELECT intake.create_source('speed-' || :'preset', :'preset', secret => :'secret');
	SQL
	times=$(query -v source="speed-$2" -v headers="$4" -v body="$(cat "$dir/body")" -v count="$5" <<-'SQL' | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
		SET jit = off; SET work_mem = '256MB';
		SELECT convert_to(:'body', 'UTF8') AS body, intake.verify(:'source', :'headers', convert_to(:'body', 'UTF8'), at => to_timestamp(1700000000)) AS verifies \gset
		\if :verifies
		\timing on
		SELECT count(*) FROM generate_series(1, :count) g WHERE intake.verify(:'source', :'headers', :'body'::bytea, NULL, 'POST', to_timestamp(1700000000 + g * 0));
		SELECT count(*) FROM generate_series(1, :count) g WHERE to_timestamp(1700000000 + g * 0) > '2020-01-01';
		\endif
	SQL
	)
	[ -n "$times" ] || fail "the request for $2 does not verify"
	rate=$(echo "$times" | awk -v n="$5" 'NR == 1 {a = $1} NR == 2 {printf "%.0f", n * 1000 / (a - $1)}')
	printf '  %-25s %s/s, ratio %s   (openssl speed: %.0f/s)\n' "$1" "$rate" "$(ratio "$rate" "$6")" "$6"
}

hex() { od -An -v -tx1 | tr -d " \n"; }
key() { openssl pkey -in "$dir/$1.pem" -pubout "${@:2}"; }
json() { printf '{"%s": "%s"%s}' "$1" "$2" "${3:-}"; }

bench_verify() {
	echo "Verifications in one backend through intake.verify, 1 KiB bodies; ratio to libcrypto's own speed"
	printf '{"event":"bench","data":{"id":"1","pad":"%s"}}' "$(head -c 735 /dev/urandom | base64 -w 0)" | head -c 1024 >"$dir/body"
	local signature
	signature=$(openssl dgst -sha256 -hmac bench <"$dir/body" | sed 's/.* //')
	verify_speed "HMAC-SHA256" hmac bench "$(json x-signature "$signature")" 1000000 \
		"$(openssl_speed -hmac sha256 4 | awk '{print $1 / 1024}')"

	openssl genpkey -algorithm ed25519 -out "$dir/ed25519.pem"
	{ printf 1700000000; cat "$dir/body"; } >"$dir/message"
	signature=$(openssl pkeyutl -sign -inkey "$dir/ed25519.pem" -rawin -in "$dir/message" | hex)
	verify_speed "Ed25519" discord "$(key ed25519 -outform DER | tail -c 32 | hex)" \
		"$(json x-signature-ed25519 "$signature" ', "x-signature-timestamp": "1700000000"')" 20000 "$(openssl_speed ed25519 6)"

	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$dir/ecdsa.pem" 2>/dev/null
	signature=$(openssl dgst -sha256 -sign "$dir/ecdsa.pem" "$dir/message" | base64 -w 0)
	verify_speed "ECDSA P-256" sendgrid "$(key ecdsa)" \
		"$(json x-twilio-email-event-webhook-signature "$signature" ', "x-twilio-email-event-webhook-timestamp": "1700000000"')" 20000 "$(openssl_speed ecdsap256 5)"

	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$dir/rsa.pem" 2>/dev/null
	signature=$(openssl dgst -sha256 -sign "$dir/rsa.pem" "$dir/body" | base64 -w 0)
	verify_speed "RSA 2048" wise "$(key rsa)" "$(json x-signature-sha256 "$signature")" 50000 "$(openssl_speed rsa2048 5)"
}
