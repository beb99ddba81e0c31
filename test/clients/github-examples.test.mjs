// Every example payload of GitHub's own collection goes through.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { sign } from '@octokit/webhooks-methods';
import { createSource, post, sql } from './database.mjs';

const require = createRequire(import.meta.url);
const SECRET = 'of all examples';

test('every payload of @octokit/webhooks-examples is stored once', async () => {
  createSource('examples', 'github', SECRET);
  let sent = 0;
  for (const { name, examples } of require('@octokit/webhooks-examples/api.github.com/index.json'))
    for (const example of examples) {
      // Some examples are the same; two events of one signed body are one event.
      const body = JSON.stringify({ ...example, delivery: ++sent });
      const answer = await post('examples', body, {
        'x-hub-signature-256': await sign(SECRET, body),
        'x-github-delivery': crypto.randomUUID(),
        'x-github-event': name,
      });
      assert.deepEqual([answer.status, answer.stored], [200, 'accepted'], name);
    }
  assert.ok(sent > 100);
  assert.equal(sql("SELECT count(*), count(DISTINCT key), count(payload) FROM intake.events WHERE source = 'examples'"), `${sent}|${sent}|${sent}`);
});
