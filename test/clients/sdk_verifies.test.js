// What intake.sign signs, the SDK accepts, and so do we.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSource, send, sql } from './lib.js';
import { accepts, newRequest, sdks, tamper } from './sdks.js';

const present = await sql(`SELECT to_regproc('intake.sign') IS NOT NULL`) === 't';
const skip = present ? false : 'this version of the extension has no intake.sign';

async function signInDatabase(source, { body, headers }) {
	const signed = JSON.parse(await sql(`SELECT intake.sign(:'source', convert_to(:'body', 'UTF8'), :'headers')`,
		{ source, body, headers: JSON.stringify(headers) }));
	return Object.fromEntries(Object.entries(signed).map(([name, value]) => [name.toLowerCase(), value]));
}

for (const row of sdks.filter((each) => !each.senderOnly)) {
	test(`${row.scheme}: signed by us, for ${row.sdk}`, { skip }, async () => {
		const source = await createSource(row.scheme, row);
		const request = newRequest(row);
		request.headers = await signInDatabase(source, request);
		assert.equal(await accepts(row, request), true, `the SDK accepts ${JSON.stringify(request.headers)}`);
		assert.equal(await accepts(row, tamper(request)), false, 'the SDK refuses a changed body');
		const { status, outcome } = await send(source, request);
		assert.deepEqual([status, outcome], [200, 'accepted']);
	});
}
