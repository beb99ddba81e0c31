// The database and the shim that the environment names (PGHOST and so on, INTAKE_URL).
import { execFileSync } from 'node:child_process';

// Runs a statement and returns what psql prints. Values stand as :'name' in it.
export function sql(statement, values = {}) {
  const variables = Object.entries(values).flatMap(([name, value]) => ['-v', `${name}=${value}`]);
  return execFileSync('psql', ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', ...variables], {
    input: `SET client_min_messages = warning;\n${statement};\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  }).trim();
}

export function createSource(name, preset, secret, publicUrl) {
  const url = publicUrl ? ", public_url => :'url'" : '';
  sql(`SELECT intake.create_source(:'name', :'preset', secret => :'secret'${url})`, {
    name, preset, secret, url: publicUrl ?? '',
  });
}

// The headers that intake.sign gives for a body.
export function signed(source, body, headers = {}) {
  return JSON.parse(sql("SELECT intake.sign(:'source', decode(:'body', 'hex'), :'headers')", {
    source, body: Buffer.from(body).toString('hex'), headers: JSON.stringify(headers),
  }));
}

export async function post(source, body, headers, query = '') {
  const response = await fetch(`${process.env.INTAKE_URL}/webhooks/${source}${query}`, {
    method: 'POST', body, headers: { 'content-type': 'application/json', ...headers },
  });
  const text = await response.text();
  return { status: response.status, text, stored: text.startsWith('{"status"') ? JSON.parse(text).status : undefined };
}

// A header of an object, whatever the case of its name.
export function header(headers, name) {
  const found = Object.entries(headers).find(([key]) => key.toLowerCase() === name.toLowerCase());
  return found?.[1];
}
