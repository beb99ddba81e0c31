// Senders who sign with a private key, and JSON Web Tokens.
import { createHash, createVerify, generateKeyPairSync, sign } from 'node:crypto';
import { verifyKey } from 'discord-interactions';
import { SignJWT, importJWK, jwtVerify } from 'jose';
import sendgrid from '@sendgrid/eventwebhook';
import Telnyx from 'telnyx';
import { Receiver } from '@upstash/qstash';
import { json, seconds, throwing } from './signing.js';

const senderOnly = 'only the sender has the private key';
const ed25519 = generateKeyPairSync('ed25519');
const ed25519Public = Buffer.from(ed25519.publicKey.export({ format: 'jwk' }).x, 'base64url');
const p256 = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const digest = (body, encoding) => createHash('sha256').update(body).digest(encoding);

const telnyx = new Telnyx('none');
const sendgridWebhook = new sendgrid.EventWebhook();
const sendgridKey = p256.publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
const plaidKey = { ...p256.publicKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'key-1' };
const qstashKey = 'sig_a key of the QStash console';

export const discordKey = ed25519Public.toString('hex');
export function discordSign({ body }) {
	const timestamp = seconds();
	return { 'x-signature-timestamp': timestamp,
		'x-signature-ed25519': sign(null, Buffer.from(timestamp + body), ed25519.privateKey).toString('hex') };
}

export const keys = [
	{ scheme: 'discord', sdk: 'discord-interactions', senderOnly, secret: discordKey, refusal: 401,
		body: (id) => json(id, { type: 2, data: { name: 'order' } }), sign: discordSign,
		verify: ({ body, headers }) =>
			verifyKey(body, headers['x-signature-ed25519'], headers['x-signature-timestamp'], discordKey) },
	{ scheme: 'telnyx', sdk: 'telnyx', senderOnly, secret: ed25519Public.toString('base64'),
		body: (id) => json(id, { data: { id, event_type: 'message.received' } }),
		sign: ({ body }) => {
			const timestamp = seconds();
			return { 'telnyx-timestamp': timestamp,
				'telnyx-signature-ed25519': sign(null, Buffer.from(`${timestamp}|${body}`), ed25519.privateKey).toString('base64') };
		},
		verify: ({ body, headers }) => telnyx.webhooks.constructEvent(body,
			Buffer.from(headers['telnyx-signature-ed25519'], 'base64'), headers['telnyx-timestamp'], ed25519Public) },
	{ scheme: 'sendgrid', sdk: '@sendgrid/eventwebhook', senderOnly, secret: sendgridKey,
		body: (id) => `${JSON.stringify([{ event: 'delivered', sg_event_id: id }])}\r\n`,
		sign: ({ body }) => {
			const timestamp = seconds();
			return { 'x-twilio-email-event-webhook-timestamp': timestamp,
				'x-twilio-email-event-webhook-signature': sign('sha256', Buffer.from(timestamp + body), p256.privateKey).toString('base64') };
		},
		verify: ({ body, headers }) => sendgridWebhook.verifySignature(sendgridWebhook.convertPublicKeyToECDSA(sendgridKey),
			body, headers['x-twilio-email-event-webhook-signature'], headers['x-twilio-email-event-webhook-timestamp']) },
	{ scheme: 'wise', sdk: 'node:crypto', senderOnly, secret: rsa.publicKey.export({ format: 'pem', type: 'spki' }),
		headers: (id) => ({ 'x-delivery-id': id }),
		body: (id) => json(id, { event_type: 'transfers#state-change' }),
		sign: ({ body }) => ({ 'x-signature-sha256': sign('sha256', Buffer.from(body), rsa.privateKey).toString('base64') }),
		verify: ({ body, headers }) =>
			createVerify('sha256').update(body).verify(rsa.publicKey, headers['x-signature-sha256'], 'base64') },
	{ scheme: 'plaid', sdk: 'jose', senderOnly, secret: JSON.stringify(plaidKey),
		body: (id) => json(id, { webhook_type: 'ITEM', webhook_code: 'DEFAULT_UPDATE' }),
		sign: async ({ body }) => ({ 'plaid-verification': await new SignJWT({ request_body_sha256: digest(body, 'hex') })
			.setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: plaidKey.kid }).setIssuedAt().sign(p256.privateKey) }),
		verify: async ({ body, headers }) => {
			const { payload } = await jwtVerify(headers['plaid-verification'], await importJWK(plaidKey), { maxTokenAge: '5 min' });
			return payload.request_body_sha256 === digest(body, 'hex');
		} },
	{ scheme: 'qstash', sdk: '@upstash/qstash', senderOnly: 'a JSON Web Token says more than intake.sign knows',
		secret: qstashKey, url: 'https://example.com/hooks/x', body: json,
		sign: async ({ id, body, url }) => ({ 'upstash-message-id': id,
			'upstash-signature': await new SignJWT({ body: digest(body, 'base64url') })
				.setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).setIssuer('Upstash').setSubject(url).setIssuedAt()
				.setNotBefore('0s').setExpirationTime('5 min').setJti(id).sign(Buffer.from(qstashKey)) }),
		verify: throwing(({ body, headers, url }) => new Receiver({ currentSigningKey: qstashKey, nextSigningKey: 'the next key' })
			.verify({ signature: headers['upstash-signature'], body, url })) },
];
