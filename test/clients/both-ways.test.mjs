// Every SDK in both directions: what it signs we accept, and what we sign it accepts.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';
import { createSource, post, signed } from './database.mjs';
import { sdks } from './sdks.mjs';

const plain = (n) => JSON.stringify({ id: n, event_id: n, object: 'event', event: 'thing.happened', type: 'thing.happened', text: 'Zoë \u{1F680} </script>' });

for (const [index, sdk] of sdks.entries()) {
  const source = `sdk-${index}`;
  const make = () => (sdk.body ?? plain)(crypto.randomUUID());
  const query = (body) => (sdk.query ? sdk.query(body) : '');
  const send = (body, headers) => post(source, body, { ...headers, ...(sdk.type && { 'content-type': sdk.type }) }, query(body));

  test(`${sdk.name} signs, we accept`, async () => {
    createSource(source, sdk.preset, sdk.secret, sdk.url);
    const body = make();
    const headers = await sdk.sign(body);
    assert.ok(await sdk.accepts(body, headers), 'the SDK accepts it, too');
    assert.deepEqual(await send(body, headers).then((a) => [a.status, a.stored]), [200, 'accepted']);
    assert.deepEqual(await send(body, headers).then((a) => [a.status, a.stored]), [200, 'already_accepted']);
    const changed = body.replace(/[0-9a-f]-/, (m) => (m[0] === '0' ? '1-' : '0-'));
    assert.equal((await send(changed, headers)).status, sdk.refused ?? 403, 'another body is refused');
  });

  test(`we sign, ${sdk.name} accepts`, { skip: sdk.oneWay }, async () => {
    const body = make();
    const headers = signed(source, body);
    assert.ok(await sdk.accepts(body, headers), JSON.stringify(headers));
    assert.deepEqual(await send(body, headers).then((a) => [a.status, a.stored]), [200, 'accepted']);
  });
}
