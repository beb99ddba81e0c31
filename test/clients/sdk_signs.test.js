// What an SDK signs, we accept: once, but for senders whose every delivery is an event. What was changed on the way, neither the SDK nor we.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countEvents, createSource, send, takesEach } from './lib.js';
import { accepts, newRequest, sdks, tamper } from './sdks.js';

for (const row of sdks) {
	test(`${row.scheme}: signed as ${row.sdk} wants it`, async () => {
		const request = newRequest(row);
		Object.assign(request.headers, await row.sign(request));
		const forged = tamper(request);
		assert.equal(await accepts(row, request), true, 'the SDK accepts');
		assert.equal(await accepts(row, forged), false, 'the SDK refuses a changed body');

		const source = await createSource(row.scheme, row);
		const each = await takesEach(source);
		const answers = [await send(source, request), await send(source, request), await send(source, forged)];
		assert.deepEqual(answers.map((answer) => [answer.status, answer.outcome]),
			[[200, 'accepted'], [200, each ? 'accepted' : 'already_accepted'], [row.refusal ?? 403, undefined]]);
		assert.equal(await countEvents(source), each ? 2 : 1, 'one event');
	});
}
