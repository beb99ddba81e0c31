// Discord checks an endpoint with a PING, once well signed and once badly.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import nacl from 'tweetnacl';
import { createSource, post } from './database.mjs';

test('a PING of Discord is answered, a badly signed one gets 401', async () => {
  const keys = nacl.sign.keyPair();
  createSource('ping', 'discord', Buffer.from(keys.publicKey).toString('hex'));
  const body = '{"type":1}';
  const at = Math.floor(Date.now() / 1000).toString();
  const signature = nacl.sign.detached(Buffer.from(at + body), keys.secretKey);
  const send = (bytes) => post('ping', body, { 'x-signature-timestamp': at, 'x-signature-ed25519': Buffer.from(bytes).toString('hex') });
  const good = await send(signature);
  assert.deepEqual([good.status, JSON.parse(good.text)], [200, { type: 1 }]);
  signature[0] ^= 1;
  const bad = await send(signature);
  assert.deepEqual([bad.status, bad.text], [401, '']);
});
