// Standard Webhooks, and those who send it under their own name.
import { validateWebhook } from 'replicate';
import OpenAI from 'openai';
import { Resend } from 'resend';
import { Webhook } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';
import { json, throwing } from './signing.js';

const secret = `whsec_${Buffer.from('thirty-two bytes are a good key.').toString('base64')}`;
const openai = new OpenAI({ apiKey: 'none' });
const resend = new Resend('none');

// The three headers, with the signature of a library.
const signedBy = (Library, prefix) => ({ id, body }) => {
	const at = new Date();
	return {
		[`${prefix}-id`]: id,
		[`${prefix}-timestamp`]: String(Math.floor(at / 1000)),
		[`${prefix}-signature`]: new Library(secret).sign(id, at, body),
	};
};
const signedByStandard = signedBy(Webhook, 'webhook');
const signedBySvix = signedBy(Svix, 'svix');

export const standard = [
	{ scheme: 'standardwebhooks', sdk: 'standardwebhooks', secret, body: json, sign: signedByStandard,
		verify: throwing(({ body, headers }) => new Webhook(secret).verify(body, headers)) },
	{ scheme: 'svix', sdk: 'svix', secret, body: json, sign: signedBySvix,
		verify: throwing(({ body, headers }) => new Svix(secret).verify(body, headers)) },
	{ scheme: 'openai', sdk: 'openai', secret, body: json, sign: signedByStandard,
		verify: throwing(({ body, headers }) => openai.webhooks.verifySignature(body, headers, secret)) },
	{ scheme: 'replicate', sdk: 'replicate', secret, body: json, sign: signedByStandard,
		verify: ({ body, headers }) => validateWebhook({ id: headers['webhook-id'], timestamp: headers['webhook-timestamp'],
			signature: headers['webhook-signature'], body, secret }, crypto) },
	{ scheme: 'resend', sdk: 'resend', secret, body: json, sign: signedBySvix,
		verify: throwing(({ body, headers }) => resend.webhooks.verify({ payload: body, webhookSecret: secret,
			headers: { id: headers['svix-id'], timestamp: headers['svix-timestamp'], signature: headers['svix-signature'] } })) },
];
