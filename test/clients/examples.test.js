// Every example of GitHub's payloads becomes an event.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { sign } from '@octokit/webhooks-methods';
import { countEvents, createSource, send, sql } from './lib.js';

const webhooks = createRequire(import.meta.url)('@octokit/webhooks-examples');
const secret = 'a secret between two';
const atOnce = 16;

// Each is sent under an id of its own, which its body also holds: some examples are the same.
async function deliver(source, { event, payload }) {
	const id = randomUUID();
	const body = JSON.stringify({ ...payload, delivery: id });
	const headers = { 'content-type': 'application/json', 'x-github-event': event, 'x-github-delivery': id,
		'x-hub-signature-256': await sign(secret, body) };
	const { status, outcome } = await send(source, { headers, body });
	return `${status} ${outcome}`;
}

test('GitHub: every example payload', async () => {
	const source = await createSource('github', { secret });
	const deliveries = webhooks.flatMap(({ name, examples }) => examples.map((payload) => ({ event: name, payload })));
	const answers = {};
	const waiting = [...deliveries];
	const worker = async () => {
		for (let next = waiting.pop(); next; next = waiting.pop()) {
			const answer = await deliver(source, next);
			answers[answer] = (answers[answer] ?? 0) + 1;
		}
	};
	await Promise.all(Array.from({ length: atOnce }, worker));
	assert.ok(deliveries.length > 200, 'there are examples');
	assert.deepEqual(answers, { '200 accepted': deliveries.length });
	assert.equal(await countEvents(source), deliveries.length);
	assert.equal(await sql(`SELECT count(DISTINCT type) FROM intake.events WHERE source = :'source'`, { source }),
		String(new Set(deliveries.map(({ event }) => event)).size), 'the types are GitHub\'s');
});
