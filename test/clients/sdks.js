// The table of senders: one row for each SDK and scheme.
//
//   scheme      the preset
//   sdk         the package; node:crypto where no package verifies
//   secret      what the source is given: the shared secret, or the sender's public key
//   body        body(id): what is sent. It holds the id
//   headers     headers(id): what is sent beside the signature; may be left out
//   sign        sign(request): the headers that sign. By the SDK where it can, else as documented
//   verify      verify(request): whether the SDK accepts; it may also throw where it does not
//   url, query  where the URL is signed: the public one, and query(body) behind it
//   senderOnly  why intake.sign cannot sign for this sender; absent where it can
//   refusal     the status of a refusal, where it is not 403
//
// A request is { id, body, query, headers, secret, url }; its headers have names in lower case.
import './lib.js'; // before the SDKs, which want its global crypto
import { bodies } from './sdks_bodies.js';
import { keys } from './sdks_keys.js';
import { standard } from './sdks_standard.js';

export const sdks = [...bodies, ...standard, ...keys];

// A request of a row, without its signature.
export function newRequest(row) {
	const id = `id${crypto.randomUUID().replaceAll('-', '')}`;
	const body = row.body(id);
	return { id, body, query: row.query?.(body) ?? '', headers: row.headers?.(id) ?? {}, secret: row.secret, url: row.url };
}

// The same request with one byte of its body changed.
export function tamper(request) {
	const last = request.id.at(-1);
	const forged = request.id.slice(0, -1) + (last === '0' ? '1' : '0');
	return { ...request, body: request.body.replace(request.id, forged) };
}

// Whether the SDK accepts a request. What it throws, it refuses.
export async function accepts(row, request) {
	try {
		return Boolean(await row.verify(request));
	} catch {
		return false;
	}
}
