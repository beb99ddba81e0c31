// Senders who sign the body with a shared secret, each in a format of its own.
import { LinearWebhookClient } from '@linear/sdk/webhooks';
import Metronome from '@metronome/sdk';
import Mux from '@mux/mux-node';
import { signWebhookPayload, verifyWebhookSignature } from '@notionhq/client';
import * as octokit from '@octokit/webhooks-methods';
import { Paddle } from '@paddle/paddle-node-sdk';
import * as sanity from '@sanity/webhook';
import '@shopify/shopify-api/adapters/web-api';
import { LATEST_API_VERSION, LogSeverity, shopifyApi } from '@shopify/shopify-api';
import bolt from '@slack/bolt';
import { WorkOS } from '@workos-inc/node';
import Cronofy from 'cronofy';
import Orb from 'orb-billing';
import Pusher from 'pusher';
import Razorpay from 'razorpay';
import square from 'square';
import Stripe from 'stripe';
import twilio from 'twilio';
import XHubSignature from 'x-hub-signature';
import { hmac, json, seconds, throwing } from './signing.js';

const secret = 'a secret between two';
const url = 'https://example.com/hooks/x';
const stripe = new Stripe('none');
const shopify = shopifyApi({ apiKey: 'none', apiSecretKey: secret, hostName: 'example.com', isEmbeddedApp: false,
	apiVersion: LATEST_API_VERSION, logger: { level: LogSeverity.Error } });
const paddle = new Paddle('none');
const mux = new Mux({ tokenId: 'none', tokenSecret: 'none' });
const orb = new Orb({ apiKey: 'none' });
const metronome = new Metronome({ bearerToken: 'none' });
const workos = new WorkOS('none');
const pusher = new Pusher({ appId: '1', key: 'app', secret });
const cronofy = new Cronofy({ client_id: 'none', client_secret: secret });
const sha256 = new XHubSignature('sha256', secret);
const sha1 = new XHubSignature('sha1', secret);
const fields = (body) => Object.fromEntries(new URLSearchParams(body));

export const bodies = [
	{ scheme: 'stripe', sdk: 'stripe', secret, body: json,
		sign: ({ body }) => ({ 'stripe-signature': stripe.webhooks.generateTestHeaderString({ payload: body, secret }) }),
		verify: ({ body, headers }) => stripe.webhooks.constructEvent(body, headers['stripe-signature'], secret) },
	{ scheme: 'github', sdk: '@octokit/webhooks-methods', secret, body: json,
		headers: (id) => ({ 'x-github-delivery': id, 'x-github-event': 'push' }),
		sign: async ({ body }) => ({ 'x-hub-signature-256': await octokit.sign(secret, body) }),
		verify: ({ body, headers }) => octokit.verify(secret, body, headers['x-hub-signature-256']) },
	{ scheme: 'shopify', sdk: '@shopify/shopify-api', secret, body: json,
		headers: (id) => ({ 'x-shopify-webhook-id': id, 'x-shopify-topic': 'orders/paid', 'x-shopify-api-version': LATEST_API_VERSION,
			'x-shopify-shop-domain': 'shop.myshopify.com' }),
		sign: ({ body }) => ({ 'x-shopify-hmac-sha256': hmac('sha256', secret, body, 'base64') }),
		verify: async ({ body, headers }) => (await shopify.webhooks.validate({ rawBody: body,
			rawRequest: new Request(url, { method: 'POST', headers, body }) })).valid },
	{ scheme: 'slack', sdk: '@slack/bolt', secret,
		body: (id) => json(id, { type: 'event_callback', event_id: id, event: { type: 'message' } }),
		sign: ({ body }) => {
			const timestamp = seconds();
			return { 'x-slack-request-timestamp': timestamp,
				'x-slack-signature': `v0=${hmac('sha256', secret, `v0:${timestamp}:${body}`, 'hex')}` };
		},
		verify: ({ body, headers }) => bolt.isValidSlackRequest({ signingSecret: secret, body, headers }) },
	{ scheme: 'linear', sdk: '@linear/sdk', secret,
		headers: (id) => ({ 'linear-delivery': id, 'linear-event': 'Issue' }),
		body: (id) => json(id, { action: 'create', webhookTimestamp: Date.now() }),
		sign: ({ body }) => ({ 'linear-signature': hmac('sha256', secret, body, 'hex') }),
		verify: ({ body, headers }) => new LinearWebhookClient(secret).verify(Buffer.from(body), headers['linear-signature'],
			JSON.parse(body).webhookTimestamp) },
	{ scheme: 'twilio', sdk: 'twilio', secret, url,
		headers: () => ({ 'content-type': 'application/x-www-form-urlencoded' }),
		body: (id) => String(new URLSearchParams({ MessageSid: id, MessageStatus: 'delivered', Body: 'für & wider' })),
		sign: ({ body }) => ({ 'x-twilio-signature': twilio.getExpectedTwilioSignature(secret, url, fields(body)) }),
		verify: ({ body, headers }) => twilio.validateRequest(secret, headers['x-twilio-signature'], url, fields(body)) },
	{ scheme: 'twilio', sdk: 'twilio (JSON)', secret, url, body: json,
		senderOnly: 'the digest of a JSON body stands in the query',
		headers: () => ({ 'content-type': 'application/json' }),
		query: (body) => `?bodySHA256=${twilio.getExpectedBodyHash(body)}`,
		sign: ({ query }) => ({ 'x-twilio-signature': twilio.getExpectedTwilioSignature(secret, url + query, {}) }),
		verify: ({ body, query, headers }) => twilio.validateRequestWithBody(secret, headers['x-twilio-signature'], url + query, body) },
	{ scheme: 'square', sdk: 'square', secret, url,
		body: (id) => json(id, { event_id: id, type: 'payment.created' }),
		sign: ({ body }) => ({ 'x-square-hmacsha256-signature': hmac('sha256', secret, url + body, 'base64') }),
		verify: ({ body, headers }) =>
			square.WebhooksHelper.isValidWebhookEventSignature(body, headers['x-square-hmacsha256-signature'], secret, url) },
	{ scheme: 'meta-whatsapp', sdk: 'x-hub-signature (SHA-256)', secret,
		body: (id) => JSON.stringify({ object: 'whatsapp_business_account',
			entry: [{ changes: [{ field: 'messages', value: { messages: [{ id }] } }] }] }),
		sign: ({ body }) => ({ 'x-hub-signature-256': sha256.sign(body) }),
		verify: ({ body, headers }) => sha256.verify(headers['x-hub-signature-256'], body) },
	{ scheme: 'intercom', sdk: 'x-hub-signature (SHA-1)', secret,
		body: (id) => json(id, { topic: 'conversation.user.created' }),
		sign: ({ body }) => ({ 'x-hub-signature': sha1.sign(body) }),
		verify: ({ body, headers }) => sha1.verify(headers['x-hub-signature'], body) },
	{ scheme: 'paddle', sdk: '@paddle/paddle-node-sdk', secret,
		body: (id) => json(id, { event_id: id, event_type: 'transaction.paid' }),
		sign: ({ body }) => {
			const timestamp = seconds();
			return { 'paddle-signature': `ts=${timestamp};h1=${hmac('sha256', secret, `${timestamp}:${body}`, 'hex')}` };
		},
		verify: ({ body, headers }) => paddle.webhooks.isSignatureValid(body, secret, headers['paddle-signature']) },
	{ scheme: 'mux', sdk: '@mux/mux-node', secret, body: json,
		sign: ({ body }) => {
			const timestamp = seconds();
			return { 'mux-signature': `t=${timestamp},v1=${hmac('sha256', secret, `${timestamp}.${body}`, 'hex')}` };
		},
		verify: throwing(({ body, headers }) => mux.webhooks.verifySignature(body, headers, secret)) },
	{ scheme: 'workos', sdk: '@workos-inc/node', secret,
		body: (id) => json(id, { event: 'user.created', data: {} }),
		sign: async ({ body }) => {
			const timestamp = Date.now();
			return { 'workos-signature': `t=${timestamp}, v1=${await workos.webhooks.computeSignature(timestamp, JSON.parse(body), secret)}` };
		},
		verify: ({ body, headers }) =>
			workos.webhooks.verifyHeader({ payload: JSON.parse(body), sigHeader: headers['workos-signature'], secret }) },
	{ scheme: 'orb', sdk: 'orb-billing', secret, body: json,
		sign: ({ body }) => {
			const timestamp = new Date().toISOString().replace('Z', '');
			return { 'x-orb-timestamp': timestamp, 'x-orb-signature': orb.webhooks.signPayload(body, { timestamp, secret }) };
		},
		verify: throwing(({ body, headers }) => orb.webhooks.verifySignature(body, headers, secret)) },
	{ scheme: 'metronome', sdk: '@metronome/sdk', secret, body: json,
		sign: ({ body }) => {
			const date = new Date().toUTCString();
			return { 'x-metronome-date': date, 'metronome-webhook-signature': metronome.webhooks.signPayload(body, { date, secret }) };
		},
		verify: throwing(({ body, headers }) => metronome.webhooks.verifySignature(body, headers, secret)) },
	{ scheme: 'sanity', sdk: '@sanity/webhook', secret, body: json,
		headers: (id) => ({ 'idempotency-key': id }),
		sign: async ({ body }) => ({ 'sanity-webhook-signature': await sanity.encodeSignatureHeader(body, Date.now(), secret) }),
		verify: ({ body, headers }) => sanity.isValidSignature(body, headers['sanity-webhook-signature'], secret) },
	{ scheme: 'notion', sdk: '@notionhq/client', secret, body: json,
		sign: async ({ body }) => ({ 'x-notion-signature': await signWebhookPayload({ body, verificationToken: secret }) }),
		verify: ({ body, headers }) =>
			verifyWebhookSignature({ body, signature: headers['x-notion-signature'], verificationToken: secret }) },
	{ scheme: 'razorpay', sdk: 'razorpay', secret, headers: (id) => ({ 'x-razorpay-event-id': id }),
		body: (id) => json(id, { event: 'payment.captured' }),
		sign: ({ body }) => ({ 'x-razorpay-signature': hmac('sha256', secret, body, 'hex') }),
		verify: ({ body, headers }) => Razorpay.validateWebhookSignature(body, headers['x-razorpay-signature'], secret) },
	{ scheme: 'pusher', sdk: 'pusher', secret,
		headers: () => ({ 'content-type': 'application/json', 'x-pusher-key': 'app' }),
		body: (id) => JSON.stringify({ time_ms: Date.now(), events: [{ name: 'channel_occupied', channel: id }] }),
		sign: ({ body }) => ({ 'x-pusher-signature': hmac('sha256', secret, body, 'hex') }),
		verify: ({ body, headers }) => pusher.webhook({ headers, rawBody: body }).isValid() },
	{ scheme: 'cronofy', sdk: 'cronofy', secret,
		body: (id) => json(id, { notification: { type: 'change' } }),
		sign: ({ body }) => ({ 'cronofy-hmac-sha256': hmac('sha256', secret, body, 'base64') }),
		verify: ({ body, headers }) => cronofy.hmacValid({ hmac: headers['cronofy-hmac-sha256'], body, client_secret: secret }) },
];
