// Runs the jobs that wait, with graphile-worker; each writes one row.
//
//   DATABASE_URL=postgres://... node worker.js
import pg from 'pg';
import { run } from 'graphile-worker';

const pgPool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 });
const runner = await run({
  pgPool,
  // What its documentation recommends for speed.
  preset: { worker: { concurrentJobs: 24, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
  taskList: {
    peer: async (payload, helpers) => {
      await helpers.query('INSERT INTO effect VALUES ($1)', [helpers.job.id]);
    },
  },
});
await runner.promise;
