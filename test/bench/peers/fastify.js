// A receiver as people build it: Fastify, with its queue in QUEUE: graphile, pgboss or bullmq.
//
//   QUEUE=graphile PORT=8080 DATABASE_URL=postgres://... REDIS_PORT=6379 node fastify.js
//
// Each request is verified, its event is stored once, and its job is queued before the answer.
import crypto from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';

const secret = 'bench';
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 });

const insertEvent = 'INSERT INTO peer_event (key, headers, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING';

// The event and its job in one statement.
async function graphile() {
  const { makeWorkerUtils } = await import('graphile-worker');
  const utils = await makeWorkerUtils({ pgPool: pool });
  await utils.migrate();
  const query = {
    name: 'accept',
    text: `WITH event AS (${insertEvent} RETURNING key)
      SELECT graphile_worker.add_job('peer', json_build_object('key', key)) FROM event`,
  };
  return (key, headers, body) => pool.query({ ...query, values: [key, headers, body] });
}

async function pgboss() {
  const { default: PgBoss } = await import('pg-boss');
  const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, max: 20 });
  await boss.start();
  await boss.createQueue('peer');
  return async (key, headers, body) => {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      const result = await client.query({ name: 'event', text: insertEvent, values: [key, headers, body] });
      if (result.rowCount > 0)
        await boss.send('peer', { key }, { db: { executeSql: (text, values) => client.query(text, values) } });
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  };
}

// No database: the job, with the event in it, is all there is. Redis drops the second of a key.
async function bullmq() {
  const { Queue } = await import('bullmq');
  const queue = new Queue('peer', { connection: { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) } });
  return (key, headers, body) => queue.add('peer', { headers, body: body.toString() }, { jobId: key });
}

const accept = await { graphile, pgboss, bullmq }[process.env.QUEUE]();
const app = Fastify();
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => done(null, body));
app.get('/readyz', async () => 'ready');
app.post('/webhooks/bench', async (request, reply) => {
  const digest = crypto.createHmac('sha256', secret).update(request.body).digest();
  const given = Buffer.from(request.headers['x-signature'] ?? '', 'hex');
  if (given.length !== digest.length || !crypto.timingSafeEqual(given, digest))
    return reply.code(403).send();
  await accept(JSON.parse(request.body).data.id, JSON.stringify(request.headers), request.body);
  return { status: 'accepted' };
});
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
