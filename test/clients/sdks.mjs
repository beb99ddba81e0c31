// What each SDK makes of a request. sign: what the SDK (or, where it only verifies, this file, as
// the provider documents it) would send with a body. accepts: whether the SDK takes a request.
import crypto from 'node:crypto';
import { createRequire } from 'node:module';
import * as octokit from '@octokit/webhooks-methods';
import { LinearWebhookClient } from '@linear/sdk/webhooks';
import { verifySlackRequest } from '@slack/bolt';
import { verifyKey } from 'discord-interactions';
import { AccessToken, WebhookReceiver } from 'livekit-server-sdk';
import Mux from '@mux/mux-node';
import { signWebhookPayload, verifyWebhookSignature } from '@notionhq/client';
import OpenAI from 'openai';
import { Environment, Paddle } from '@paddle/paddle-node-sdk';
import { Receiver } from '@upstash/qstash';
import Razorpay from 'razorpay';
import { Resend } from 'resend';
import { EventWebhook } from '@sendgrid/eventwebhook';
import '@shopify/shopify-api/adapters/node';
import { shopifyApi, ApiVersion } from '@shopify/shopify-api';
import { WebhooksHelper } from 'square';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import Stripe from 'stripe';
import { Webhook as Svix } from 'svix';
import twilio from 'twilio';
import { validateSignature as validateLine } from '@line/bot-sdk';
import { header } from './database.mjs';

const Pusher = createRequire(import.meta.url)('pusher');

const SECRET = 'a secret of the clients';
const WHSEC = `whsec_${Buffer.from('a secret of the clients, 32 byte').toString('base64')}`;
const URL = 'https://hooks.example.com/in';

const hmac = (algorithm, key, text, encoding) => crypto.createHmac(algorithm, key).update(text).digest(encoding);
const seconds = () => Math.floor(Date.now() / 1000).toString();
const true_ = (f) => { f(); return true; };
const id = () => crypto.randomUUID();

const stripe = new Stripe('sk_test_x');
const shopify = shopifyApi({
  apiKey: 'key', apiSecretKey: SECRET, hostName: 'hooks.example.com', apiVersion: Object.values(ApiVersion).at(-1), isEmbeddedApp: false,
});
const ed25519 = crypto.generateKeyPairSync('ed25519');
const p256 = crypto.generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const mux = new Mux({ tokenId: 'a', tokenSecret: 'b' });
const paddle = new Paddle('key', { environment: Environment.sandbox });
const livekit = new WebhookReceiver('key', SECRET);
const qstash = new Receiver({ currentSigningKey: SECRET, nextSigningKey: 'another' });

function standard(Webhook, prefix) {
  const names = (h) => Object.fromEntries(['id', 'timestamp', 'signature'].map((part) => [`${prefix}-${part}`, header(h, `${prefix}-${part}`)]));
  return {
    sign(body) {
      const message = `msg_${id()}`;
      const at = new Date();
      return {
        [`${prefix}-id`]: message,
        [`${prefix}-timestamp`]: Math.floor(at / 1000).toString(),
        [`${prefix}-signature`]: new Webhook(WHSEC).sign(message, at, body),
      };
    },
    accepts: (body, h) => true_(() => new Webhook(WHSEC).verify(body, names(h))),
  };
}

export const sdks = [
  {
    name: 'stripe', preset: 'stripe', secret: SECRET,
    sign: (payload) => ({ 'stripe-signature': stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET }) }),
    accepts: (body, h) => true_(() => stripe.webhooks.constructEvent(body, header(h, 'stripe-signature'), SECRET)),
  },
  {
    name: '@octokit/webhooks-methods', preset: 'github', secret: SECRET,
    sign: async (body) => ({ 'x-hub-signature-256': await octokit.sign(SECRET, body), 'x-github-delivery': id(), 'x-github-event': 'push' }),
    accepts: (body, h) => octokit.verify(SECRET, body, header(h, 'x-hub-signature-256')),
  },
  { name: 'svix', preset: 'svix', secret: WHSEC, ...standard(Svix, 'svix') },
  { name: 'standardwebhooks', preset: 'standardwebhooks', secret: WHSEC, ...standard(StandardWebhook, 'webhook') },
  {
    name: 'resend', preset: 'resend', secret: WHSEC, sign: standard(Svix, 'svix').sign,
    accepts: (payload, h) => true_(() => new Resend('re_x').webhooks.verify({
      payload, webhookSecret: WHSEC,
      headers: { id: header(h, 'svix-id'), timestamp: header(h, 'svix-timestamp'), signature: header(h, 'svix-signature') },
    })),
  },
  {
    name: 'openai', preset: 'openai', secret: WHSEC, sign: standard(StandardWebhook, 'webhook').sign,
    accepts: async (body, h) => { await new OpenAI({ apiKey: 'k' }).webhooks.unwrap(body, new Headers(h), WHSEC); return true; },
  },
  {
    name: 'twilio, form', preset: 'twilio', secret: SECRET, url: URL, type: 'application/x-www-form-urlencoded',
    body: (n) => new URLSearchParams({ MessageSid: `SM${n}`, MessageStatus: 'delivered', Body: 'a b&c=ü' }).toString(),
    sign: (body) => ({ 'x-twilio-signature': twilio.getExpectedTwilioSignature(SECRET, URL, Object.fromEntries(new URLSearchParams(body))) }),
    accepts: (body, h) => twilio.validateRequest(SECRET, header(h, 'x-twilio-signature'), URL, Object.fromEntries(new URLSearchParams(body))),
  },
  {
    name: 'twilio, JSON', preset: 'twilio', secret: SECRET, url: URL, oneWay: 'the hash of the body stands in the URL',
    query: (body) => `?bodySHA256=${crypto.createHash('sha256').update(body).digest('hex')}`,
    sign(body) { return { 'x-twilio-signature': twilio.getExpectedTwilioSignature(SECRET, URL + this.query(body), {}) }; },
    accepts(body, h) { return twilio.validateRequestWithBody(SECRET, header(h, 'x-twilio-signature'), URL + this.query(body), body); },
  },
  {
    name: 'square', preset: 'square', secret: SECRET, url: URL,
    sign: (body) => ({ 'x-square-hmacsha256-signature': hmac('sha256', SECRET, URL + body, 'base64') }),
    accepts: (requestBody, h) => WebhooksHelper.verifySignature({
      requestBody, signatureHeader: header(h, 'x-square-hmacsha256-signature'), signatureKey: SECRET, notificationUrl: URL,
    }),
  },
  {
    name: '@slack/bolt', preset: 'slack', secret: SECRET,
    sign(body) {
      const at = seconds();
      return { 'x-slack-request-timestamp': at, 'x-slack-signature': `v0=${hmac('sha256', SECRET, `v0:${at}:${body}`, 'hex')}` };
    },
    accepts: (body, h) => true_(() => verifySlackRequest({
      signingSecret: SECRET, body,
      headers: { 'x-slack-signature': header(h, 'x-slack-signature'), 'x-slack-request-timestamp': Number(header(h, 'x-slack-request-timestamp')) },
    })),
  },
  {
    name: '@shopify/shopify-api', preset: 'shopify', secret: SECRET,
    sign: (body) => ({ 'x-shopify-hmac-sha256': hmac('sha256', SECRET, body, 'base64'), 'x-shopify-webhook-id': id(), 'x-shopify-topic': 'orders/paid' }),
    async accepts(rawBody, h) {
      const given = { 'x-shopify-topic': 'orders/paid', 'x-shopify-api-version': '2026-10', 'x-shopify-shop-domain': 'a.myshopify.com', 'x-shopify-webhook-id': id() };
      const headers = { ...given, ...Object.fromEntries(Object.entries(h).map(([k, v]) => [k.toLowerCase(), v])) };
      const result = await shopify.webhooks.validate({ rawBody, rawRequest: { headers, method: 'POST', url: '/' }, rawResponse: {} });
      return result.valid;
    },
  },
  {
    name: '@linear/sdk', preset: 'linear', secret: SECRET,
    body: (n) => JSON.stringify({ id: n, action: 'create', type: 'Issue', webhookTimestamp: Date.now() }),
    sign: (body) => ({ 'linear-signature': hmac('sha256', SECRET, body, 'hex'), 'linear-delivery': id(), 'linear-event': 'Issue' }),
    accepts: (body, h) => new LinearWebhookClient(SECRET).verify(Buffer.from(body), header(h, 'linear-signature'), JSON.parse(body).webhookTimestamp),
  },
  {
    name: '@paddle/paddle-node-sdk', preset: 'paddle', secret: SECRET,
    body: (n) => JSON.stringify({ event_id: n, notification_id: n, event_type: 'address.created', occurred_at: new Date().toISOString(), data: {} }),
    sign(body) {
      const at = seconds();
      return { 'paddle-signature': `ts=${at};h1=${hmac('sha256', SECRET, `${at}:${body}`, 'hex')}` };
    },
    accepts: (body, h) => paddle.webhooks.isSignatureValid(body, SECRET, header(h, 'paddle-signature')),
  },
  {
    name: '@mux/mux-node', preset: 'mux', secret: SECRET,
    sign(body) {
      const at = seconds();
      return { 'mux-signature': `t=${at},v1=${hmac('sha256', SECRET, `${at}.${body}`, 'hex')}` };
    },
    accepts: async (body, h) => { await mux.webhooks.verifySignature(body, { 'mux-signature': header(h, 'mux-signature') }, SECRET); return true; },
  },
  {
    name: 'razorpay', preset: 'razorpay', secret: SECRET,
    sign: (body) => ({ 'x-razorpay-signature': hmac('sha256', SECRET, body, 'hex'), 'x-razorpay-event-id': id() }),
    accepts: (body, h) => Razorpay.validateWebhookSignature(body, header(h, 'x-razorpay-signature'), SECRET),
  },
  {
    name: '@line/bot-sdk', preset: 'line', secret: SECRET,
    body: (n) => JSON.stringify({ destination: 'U', events: [{ type: 'message', webhookEventId: n }] }),
    sign: (body) => ({ 'x-line-signature': hmac('sha256', SECRET, body, 'base64') }),
    accepts: (body, h) => validateLine(body, SECRET, header(h, 'x-line-signature')),
  },
  {
    name: '@notionhq/client', preset: 'notion', secret: SECRET,
    sign: async (body) => ({ 'x-notion-signature': await signWebhookPayload({ body, verificationToken: SECRET }) }),
    accepts: (body, h) => verifyWebhookSignature({ body, signature: header(h, 'x-notion-signature'), verificationToken: SECRET }),
  },
  {
    name: 'pusher', preset: 'pusher', secret: SECRET,
    body: (n) => JSON.stringify({ time_ms: Date.now(), events: [{ name: 'channel_occupied', channel: n }] }),
    sign: (body) => ({ 'x-pusher-key': 'key', 'x-pusher-signature': hmac('sha256', SECRET, body, 'hex') }),
    accepts: (rawBody, h) => new Pusher({ appId: '1', key: 'key', secret: SECRET }).webhook({
      headers: { 'x-pusher-key': 'key', 'x-pusher-signature': header(h, 'x-pusher-signature'), 'content-type': 'application/json' }, rawBody,
    }).isValid(),
  },
  {
    name: 'livekit-server-sdk', preset: 'livekit', secret: SECRET,
    body: (n) => JSON.stringify({ id: n, event: 'room_started' }),
    async sign(body) {
      const token = new AccessToken('key', SECRET);
      token.sha256 = crypto.createHash('sha256').update(body).digest('base64');
      return { authorization: await token.toJwt() };
    },
    oneWay: 'the SDK wants the name of its key as iss',
    accepts: async (body, h) => { await livekit.receive(body, header(h, 'authorization')); return true; },
  },
  {
    name: '@upstash/qstash', preset: 'qstash', secret: SECRET, url: URL,
    sign(body) {
      const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const now = Number(seconds());
      const hash = crypto.createHash('sha256').update(body).digest('base64url');
      const content = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ iss: 'Upstash', sub: URL, iat: now, nbf: now, exp: now + 300, jti: id(), body: hash })}`;
      return { 'upstash-signature': `${content}.${hmac('sha256', SECRET, content, 'base64url')}`, 'upstash-message-id': id() };
    },
    accepts: (body, h) => qstash.verify({ signature: header(h, 'upstash-signature'), body, url: URL }),
  },
  {
    name: 'discord-interactions', preset: 'discord', refused: 401, oneWay: 'only the sender has the key',
    secret: ed25519.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex'),
    body: (n) => JSON.stringify({ id: n, type: 2 }),
    sign(body) {
      const at = seconds();
      return { 'x-signature-timestamp': at, 'x-signature-ed25519': crypto.sign(null, Buffer.from(at + body), ed25519.privateKey).toString('hex') };
    },
    accepts(body, h) { return verifyKey(body, header(h, 'x-signature-ed25519'), header(h, 'x-signature-timestamp'), this.secret); },
  },
  {
    name: '@sendgrid/eventwebhook', preset: 'sendgrid', oneWay: 'only the sender has the key',
    secret: p256.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    body: (n) => `${JSON.stringify([{ email: 'a@example.com', event: 'delivered', sg_event_id: n }])}\r\n`,
    sign(body) {
      const at = seconds();
      return {
        'x-twilio-email-event-webhook-timestamp': at,
        'x-twilio-email-event-webhook-signature': crypto.sign('sha256', Buffer.from(at + body), p256.privateKey).toString('base64'),
      };
    },
    accepts(body, h) {
      const events = new EventWebhook();
      return events.verifySignature(events.convertPublicKeyToECDSA(this.secret), body, header(h, 'x-twilio-email-event-webhook-signature'), header(h, 'x-twilio-email-event-webhook-timestamp'));
    },
  },
];
