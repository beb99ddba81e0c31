// What the tests share: the database, through psql; sources; and requests to the shim.
import { execFile } from 'node:child_process';
import { randomUUID, webcrypto } from 'node:crypto';

// Several SDKs look for the global crypto, which Node 18 does not have.
globalThis.crypto ??= webcrypto;

// Runs SQL, in which :'name' stands for a value; returns what psql prints.
export function sql(statement, values = {}) {
	const variables = Object.entries(values).flatMap(([name, value]) => ['-v', `${name}=${value}`]);
	return new Promise((resolve, reject) => {
		const child = execFile('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', ...variables],
			(error, output) => error ? reject(error) : resolve(output.trimEnd()));
		child.stdin.end(statement);
	});
}

// Makes a source with a name of its own, which it returns.
export async function createSource(scheme, { secret, url = '', token = '' }) {
	const name = `${scheme}-${randomUUID().slice(0, 8)}`;
	await sql(`SELECT intake.create_source(:'name', :'scheme', secret => :'secret',
		public_url => nullif(:'url', ''), verify_token => nullif(:'token', ''))`, { name, scheme, secret, url, token });
	return name;
}

// What the database has of a source.
export async function countEvents(source) {
	return Number(await sql(`SELECT count(*) FROM intake.events WHERE source = :'source'`, { source }));
}

// Whether each delivery to a source is an event, since its sender says the same bytes for news.
export async function takesEach(source) {
	return await sql(`SELECT missing_key = 'each' FROM intake.sources WHERE name = :'source'`, { source }) === 't';
}

// Sends a request to /webhooks/<source>. "status" of the answer's JSON is its "outcome".
export async function send(source, { method = 'POST', query = '', headers = {}, body }) {
	const response = await fetch(`${process.env.INTAKE_URL}/webhooks/${source}${query}`, { method, headers, body });
	const text = await response.text();
	const outcome = /^{"status":"(\w+)"/.exec(text)?.[1];
	return { status: response.status, outcome, text };
}
