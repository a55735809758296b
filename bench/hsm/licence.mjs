/** The demo's licence, the whole server side without HTTP, over Keycell and over node:crypto (examples/licence-server). */
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { figure, keepInFlight, median } from '../measure.mjs';
import { IN_FLIGHT, p1363 } from './throughput.mjs';

const EXAMPLE = new URL('../../build/examples/licence-server/', import.meta.url);
const KEYS = 4;
const load = (file) => import(new URL(file, EXAMPLE).href);

export const licence = [
  {
    name: 'licence',
    async measure({ hsm, login, pace }) {
      const { Shop } = await load('shop.js');
      const { KeycellVault } = await load('keycell-vault.js');
      const { NodeVault } = await load('baseline.js');
      const shop = await Shop.open();
      const approve = () => assert.fail('no key is replaced here');
      const session = [];
      const ownLogin = async () => {
        session.push(await login());
        return session.at(-1);
      };
      const ours = await makeServer(await KeycellVault.open({ hsm, login: ownLogin, approve, shop: shop.jwk }));
      const theirs = await makeServer(new NodeVault(shop.jwk));
      const device = await makeDevice();
      const requests = Math.max(IN_FLIGHT, Math.round(pace.roundMs * 4));
      const each = async (server, count) => {
        const bodies = await makeBodies(server, shop, device, count);
        const began = performance.now();
        await keepInFlight(() => server.issue(bodies.pop()), IN_FLIGHT, count);
        return (1000 * (performance.now() - began)) / count;
      };
      try {
        for (const server of [ours, theirs]) {
          await check(server, shop, device);
          await each(server, requests);
        }
        const times = { ours: [], theirs: [] };
        for (let round = 0; round < pace.rounds; round++) {
          times.ours.push(await each(ours, requests));
          times.theirs.push(await each(theirs, requests));
        }
        return [
          {
            id: 'licence',
            ours: { name: 'Keycell', micros: median(times.ours) },
            theirs: { name: 'node:crypto', micros: median(times.theirs) },
            ...figure(times.ours.map((micros, round) => times.theirs[round] / micros)),
          },
        ];
      } finally {
        for (const each of session) await each.close();
      }
    },
  },
];

async function makeServer(vault) {
  const { Catalogue } = await load('catalogue.js');
  const { licenceIssuer } = await load('server.js');
  const titles = [];
  for (let i = 0; i < 50; i++) {
    const kids = Array.from({ length: KEYS }, () => Buffer.from(crypto.getRandomValues(new Uint8Array(16))));
    const stored = await vault.makeKeys(KEYS);
    titles.push({ name: `title-${i + 1}`, kids: kids.map((kid) => kid.toString('base64url')), stored, former: [] });
  }
  const catalogue = new Catalogue(titles);
  const issue = licenceIssuer({ vault, catalogue, issuer: 'https://licences.example', licenceSeconds: 3600 });
  return { vault, titles, issue };
}

async function makeDevice() {
  const { calculateJwkThumbprint } = await import('jose');
  const { publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
  });
  const { kty, crv, x, y } = createPublicKey({ key: publicKey, format: 'der', type: 'spki' }).export({ format: 'jwk' });
  const jwk = { kty, crv, x, y };
  return { jwk, thumbprint: await calculateJwkThumbprint(jwk) };
}

/** An entitlement serves once, so each licence needs its own; the shop's work is no part of the time. */
async function makeBodies({ titles, vault }, shop, device, count) {
  const bodies = [];
  for (let i = 0; i < count; i++) {
    const { kids, stored } = titles[i % titles.length];
    const bought = { audience: vault.audience, blobs: stored.digests, jkt: device.thumbprint };
    const entitlement = await shop.entitle(bought);
    bodies.push(JSON.stringify({ challenge: { kids, type: 'temporary' }, device: device.jwk, entitlement }));
  }
  return bodies;
}

async function check(server, shop, device) {
  const [body] = await makeBodies(server, shop, device, 1);
  const [header, payload, signature] = (await server.issue(body)).split('.');
  const [jwk] = server.vault.jwks().keys;
  const key = p1363(createPublicKey({ key: jwk, format: 'jwk' }));
  assert(verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')));
  assert.equal(JSON.parse(Buffer.from(payload, 'base64url').toString()).keys.length, KEYS);
  await assert.rejects(server.issue(body), /used before/);
}
