// How to sign what an SDK can only verify; and bodies to sign.
import { createHmac } from 'node:crypto';

export const seconds = () => String(Math.floor(Date.now() / 1000));

export function hmac(algorithm, secret, message, encoding) {
	return createHmac(algorithm, secret).update(message).digest(encoding);
}

// JSON with an id and a type, and letters beyond ASCII.
export function json(id, more = {}) {
	return JSON.stringify({ id, type: 'order.paid', note: 'für Zoë ✓', ...more });
}

// A verifier that throws what it refuses, and returns whatever it likes.
export const throwing = (verify) => async (request) => {
	await verify(request);
	return true;
};
