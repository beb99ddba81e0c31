// The work of one event with a call in it, as people build it in Node; QUEUE says upon what:
//
//   QUEUE=pgboss DATABASE_URL=postgres://... REDIS_PORT=6379 CALL_URL=http://... node calls.js
//   QUEUE=pgboss ... node calls.js feed NUMBER [PER_SECOND]     puts in so many events
//
// Step 1 writes a row and asks for a call, the call is made with fetch, its answer is stored, and step 2
// writes a row. The queues whose names end in "-lean" keep neither steps nor answers: one handler does all.
import pg from 'pg';

const { QUEUE: name, CALL_URL: url, DATABASE_URL: connectionString } = process.env;
const concurrency = Number(process.env.CONCURRENCY ?? 200);
const pool = new pg.Pool({ connectionString, max: 20 });
const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) };

const insertAsked = { name: 'asked', text: 'INSERT INTO asked SELECT unnest($1::bigint[])' };
const insertEffect = {
  name: 'effect',
  text: 'INSERT INTO called SELECT a.key, a.sent, clock_timestamp() FROM unnest($1::bigint[], $2::float8[]) AS a (key, sent)',
};
const asked = (client, events) => client.query({ ...insertAsked, values: [events.map((e) => e.key)] });
const effect = (client, events) =>
  client.query({ ...insertEffect, values: [events.map((e) => e.key), events.map((e) => e.sent)] });

async function call(event) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `call-${event.key}` },
    body: JSON.stringify(event),
  });
  if (!answer.ok)
    throw new Error(`status ${answer.status}`);
  return answer.json();
}

async function inTransaction(work) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await work(client);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

// pg-boss looks for jobs twice a second at most, and at once when it is told to.
async function startBoss() {
  const { default: PgBoss } = await import('pg-boss');
  const boss = new PgBoss({ connectionString, max: 20 });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  for (const queue of ['ask', 'call', 'answered'])
    await boss.createQueue(queue);
  return boss;
}

// runBatches(BOSS, QUEUE, COUNT, WORK): COUNT workers share the concurrency. Each looks again at once
// after a batch. Returns what wakes one of them.
async function runBatches(boss, queue, count, work) {
  const ids = [];
  let turn = 0;
  for (let i = 0; i < count; i++) {
    ids[i] = await boss.work(queue, { batchSize: Math.ceil(concurrency / count), pollingIntervalSeconds: 0.5 }, async (jobs) => {
      boss.notifyWorker(ids[i]);
      await work(jobs);
    });
  }
  return () => boss.notifyWorker(ids[turn++ % count]);
}

// A queue for each step. The rows of a batch, its next jobs and its completion are one transaction.
async function pgboss() {
  const boss = await startBoss();
  const proceed = (from, jobs, to, data, write) => inTransaction(async (client) => {
    const db = { executeSql: (text, values) => client.query(text, values) };
    if (write)
      await write(client, jobs.map((job) => job.data));
    if (to)
      await boss.insert(data.map((item) => ({ name: to, data: item })), { db });
    await boss.complete(from, jobs.map((job) => job.id), undefined, { db });
  });
  const wakeAnswered = await runBatches(boss, 'answered', 2, (jobs) => proceed('answered', jobs, null, null, effect));
  const wakeCall = await runBatches(boss, 'call', 4, async (jobs) => {
    const answers = await Promise.all(jobs.map((job) => call(job.data)));
    await proceed('call', jobs, 'answered', jobs.map((job, i) => ({ ...job.data, answer: answers[i] })));
    wakeAnswered();
  });
  await runBatches(boss, 'ask', 2, async (jobs) => {
    await proceed('ask', jobs, 'call', jobs.map((job) => job.data), asked);
    wakeCall();
  });
}

async function pgbossLean() {
  const boss = await startBoss();
  await runBatches(boss, 'ask', 4, (jobs) => Promise.all(jobs.map(async ({ data }) => {
    await asked(pool, [data]);
    await call(data);
    await effect(pool, [data]);
  })));
}

// BullMQ keeps the step that a job has come to, and the answer, in the job.
async function bullmq() {
  const { Worker } = await import('bullmq');
  new Worker('ask', async (job) => {
    if (job.data.step === undefined) {
      await asked(pool, [job.data]);
      await job.updateData({ ...job.data, step: 'call' });
    }
    if (job.data.step === 'call')
      await job.updateData({ ...job.data, step: 'answered', answer: await call(job.data) });
    await effect(pool, [job.data]);
  }, { connection, concurrency });
}

async function bullmqLean() {
  const { Worker } = await import('bullmq');
  new Worker('ask', async ({ data }) => {
    await asked(pool, [data]);
    await call(data);
    await effect(pool, [data]);
  }, { connection, concurrency });
}

// What puts events in, as many at once as there are.
async function feeder() {
  if (name.startsWith('pgboss')) {
    const boss = await startBoss();
    return {
      put: (events) => events.length === 1 ? boss.send('ask', events[0]) : boss.insert(events.map((data) => ({ name: 'ask', data }))),
      close: () => boss.stop({ graceful: false }),
    };
  }
  const { Queue } = await import('bullmq');
  const queue = new Queue('ask', { connection, defaultJobOptions: { removeOnComplete: 1000, attempts: 3 } });
  return {
    put: (events) => queue.addBulk(events.map((data) => ({ name: 'ask', data }))),
    close: () => queue.close(),
  };
}

// Prints when it begins.
async function feed(number, perSecond) {
  const { put, close } = await feeder();
  const size = perSecond ? 1 : 1000;
  const start = Date.now();
  console.log(start / 1000);
  for (let key = 0; key < number; key += size) {
    if (perSecond)
      await new Promise((resolve) => setTimeout(resolve, start + (key * 1000) / perSecond - Date.now()));
    const sent = (performance.timeOrigin + performance.now()) / 1000;
    await put(Array.from({ length: Math.min(size, number - key) }, (_, i) => ({ key: key + i, sent })));
  }
  await close();
  await pool.end();
}

if (process.argv[2] === 'feed') {
  await feed(Number(process.argv[3]), Number(process.argv[4] ?? 0));
  process.exit();
}
await { pgboss, 'pgboss-lean': pgbossLean, bullmq, 'bullmq-lean': bullmqLean }[name]();
console.log('ready');
