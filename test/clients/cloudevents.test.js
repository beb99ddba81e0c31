// Events as the SDK of CloudEvents makes them, in both modes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CloudEvent, HTTP } from 'cloudevents';
import { createSource, send, sql } from './lib.js';
import { hmac } from './signing.js';

const secret = 'a secret between two';
const said = { specversion: '1.0', source: '/sensors/1', type: 'com.example.read', data: { degrees: 21 } };

// Sends an event in a mode, with what TELL adds to its headers.
async function deliver(source, mode, event, tell) {
	const { headers, body } = HTTP[mode](event);
	return (await send(source, { headers: { ...headers, ...tell(body) }, body })).outcome;
}

const tokens = () => ({ authorization: `Bearer ${secret}` });
const signed = (body) => ({ 'x-signature': hmac('sha256', secret, body, 'hex') });

for (const [mode, kind, tell] of [['binary', 'token', tokens], ['binary', 'hmac', signed], ['structured', 'token', tokens], ['structured', 'hmac', signed]]) {
	test(`CloudEvents: ${mode} mode, ${kind}: an event once, and the next of its source, and one of another source`, async () => {
		const source = await createSource(`cloudevents-${mode}-${kind}`, { secret });
		const event = new CloudEvent({ ...said, id: 'a 1' });
		assert.equal(await deliver(source, mode, event, tell), 'accepted');
		assert.equal(await deliver(source, mode, event, tell), 'already_accepted');
		assert.equal(await deliver(source, mode, event.cloneWith({ id: 'a 2', data: { degrees: 22 } }), tell), 'accepted');
		assert.equal(await deliver(source, mode, event.cloneWith({ source: '/sensors/2', data: { degrees: 23 } }), tell), 'accepted');
		assert.equal(await deliver(source, mode, event.cloneWith({ id: 'a 3' }), () => ({})), undefined);
		assert.equal(await sql(`SELECT string_agg(key || ' ' || type, ', ' ORDER BY id) FROM intake.events WHERE source = :'source'`, { source }),
			'/sensors/1/a 1 com.example.read, /sensors/1/a 2 com.example.read, /sensors/2/a 1 com.example.read');
	});
}
