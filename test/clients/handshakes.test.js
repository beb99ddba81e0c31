// What providers ask of an endpoint before they use it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countEvents, createSource, send } from './lib.js';
import { hmac, seconds } from './signing.js';
import { discordKey, discordSign } from './sdks_keys.js';

const secret = 'a secret between two';

test('Discord: a PING that is signed, badly signed, and not signed', async () => {
	const source = await createSource('discord', { secret: discordKey });
	const body = '{"type":1}';
	const headers = discordSign({ body });
	const signed = await send(source, { headers, body });
	assert.deepEqual([signed.status, JSON.parse(signed.text)], [200, { type: 1 }]);
	assert.equal((await send(source, { headers: discordSign({ body: '{"type":2}' }), body })).status, 401);
	assert.equal((await send(source, { body })).status, 401);
	assert.equal(await countEvents(source), 0, 'no PING is an event');
});

test('Slack: url_verification, signed and not', async () => {
	const source = await createSource('slack', { secret });
	const body = '{"type":"url_verification","challenge":"abc"}';
	const timestamp = seconds();
	const headers = { 'x-slack-request-timestamp': timestamp,
		'x-slack-signature': `v0=${hmac('sha256', secret, `v0:${timestamp}:${body}`, 'hex')}` };
	const { status, text } = await send(source, { headers, body });
	assert.deepEqual([status, text], [200, 'abc']);
	assert.equal((await send(source, { body })).status, 403);
});

test('Meta: the GET with the right token, and with a wrong one', async () => {
	const source = await createSource('meta-whatsapp', { secret, token: 'my token' });
	const ask = (token) => send(source, { method: 'GET',
		query: `?${new URLSearchParams({ 'hub.mode': 'subscribe', 'hub.verify_token': token, 'hub.challenge': '1158201444' })}` });
	const { status, text } = await ask('my token');
	assert.deepEqual([status, text], [200, '1158201444']);
	assert.equal((await ask('another token')).status, 403);
});
