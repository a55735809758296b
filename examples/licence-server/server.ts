/**
 * A licence server: POST /licence, GET /.well-known/jwks.json, GET /titles. It never sees a content key.
 *
 * A request brings kids, a device and an entitlement. What the server knows (the catalogue, which entitlements it has
 * seen) it checks here; what protects the keys (the entitlement's signature, expiry, device, and the content keys that it
 * names) is checked by the vault, in the same message that re-wraps them, so that no slip in this file can give a key to
 * the wrong device, or one that was not paid for.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { HsmError } from 'keycell';
import type { Catalogue, Title } from './catalogue.ts';
import { type Claims, licenceInput, parseRequest, readClaims } from './licence.ts';
import { Refusal, type StoredKeys, type Vault } from './vault.ts';

export interface LicenceServerOptions {
  readonly vault: Vault;
  readonly catalogue: Catalogue;
  readonly issuer: string;
  /** How long a licence lasts. */
  readonly licenceSeconds: number;
}

const MAX_BODY = 16 * 1024;

export function createLicenceServer(options: LicenceServerOptions): Server {
  const issueLicence = licenceIssuer(options);

  // Connections outlive a player's pauses: one that is closed just as a request arrives is a failed request.
  const server = createServer({ requestTimeout: 10_000, keepAliveTimeout: 60_000 }, (request, response) => {
    answer(request, response).catch((error) => {
      console.error(error);
      response.destroy();
    });
  });
  return server;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const route = `${request.method} ${request.url}`;
      if (route === 'POST /licence') {
        reply(response, 200, 'application/jose', await issueLicence(await readBody(request)));
      } else if (route === 'GET /.well-known/jwks.json') {
        reply(response, 200, 'application/jwk-set+json', JSON.stringify(options.vault.jwks()));
      } else if (route === 'GET /titles') {
        const titles = options.catalogue.titles.map(({ name, kids }) => ({ name, kids }));
        reply(response, 200, 'application/json', JSON.stringify(titles));
      } else {
        throw new Refusal(404, 'no such resource');
      }
    } catch (error) {
      const { status, reason } = judge(error);
      if (status === 503) response.setHeader('retry-after', '1');
      if (status === 413) response.setHeader('connection', 'close'); // the rest of the body is not read
      reply(response, status, 'application/json', JSON.stringify({ error: reason }));
    }
  }
}

/**
 * The server without its HTTP: from a request's body to the licence.
 * Two messages to the vault: the keys re-wrapped to the device, and the licence signed.
 */
export function licenceIssuer(options: LicenceServerOptions): (body: string) => Promise<string> {
  const seen = new SeenEntitlements();

  return async (body) => {
    const { vault, catalogue, issuer, licenceSeconds } = options;
    const { challenge, device, entitlement } = parseRequest(body);
    const claims = readClaims(entitlement);
    const title = titleOf(catalogue, challenge.kids);
    const wanted = challenge.kids.map((kid) => ({ kid, index: title.kids.indexOf(kid) }));
    const stored = namedIn(claims, title, wanted);
    if (seen.has(claims)) throw new Refusal(403, 'entitlement used before');

    const jwes = await vault.deliver({ stored, wanted, device, entitlement });
    // Only now are the claims known to be the issuer's, and of two requests that race, one comes first here.
    if (!seen.add(claims)) throw new Refusal(403, 'entitlement used before');

    const licence = {
      issuer,
      id: randomUUID(),
      title: title.name,
      issuedAt: now(),
      seconds: licenceSeconds,
      keys: wanted.map(({ kid }, k) => ({ kid, jwe: jwes[k]! })),
    };
    try {
      const { input, signature } = await vault.sign((licenceKid) => licenceInput(licenceKid, licence));
      return `${input}.${Buffer.from(signature).toString('base64url')}`;
    } catch (error) {
      seen.forget(claims); // no licence left the house: the device may come again
      throw error;
    }
  };
}

/** A licence is for one title, whose blobs share one key-encryption key. */
function titleOf(catalogue: Catalogue, kids: readonly string[]): Title {
  const title = catalogue.find(kids[0]!);
  if (title === undefined) throw new Refusal(404, 'unknown kid');
  if (!kids.every((kid) => title.kids.includes(kid))) throw new Refusal(400, 'kids of one title, please');
  return title;
}

/** The title's keys as the entitlement names them: today's blobs, or those of before a rotation. */
function namedIn({ blobs }: Claims, title: Title, wanted: readonly { readonly index: number }[]): StoredKeys {
  const named = [title.stored, ...title.former].find(({ digests }) =>
    wanted.every(({ index }) => blobs.includes(digests[index]!)),
  );
  if (named === undefined) throw new Refusal(403, 'not entitled to a kid');
  return named;
}

/** Every error's answer. Texts are ours, not the error's: what went wrong inside is for the log, not for the caller. */
function judge(error: unknown): { status: number; reason: string } {
  if (error instanceof Refusal) return error;
  if (error instanceof HsmError) {
    if (error.code === 'KEYCELL_PERMISSION_DENIED') return { status: 403, reason: 'entitlement refused' };
    if (error.code === 'KEYCELL_INPUT_INVALID') return { status: 400, reason: 'request refused' };
    console.error(error);
    if (error.retryable) return { status: 503, reason: 'busy' };
  } else {
    console.error(error);
  }
  return { status: 500, reason: 'internal error' };
}

/**
 * Entitlements that were used, each kept until it has expired: from then on its expiry refuses it.
 * Goes by `jti` and not by the token, since a token can be written in more than one way: (r, n − s) is a signature, too.
 */
class SeenEntitlements {
  readonly #expiry = new Map<string, number>();
  #nextSweep = 0;

  has({ jti }: Claims): boolean {
    return this.#expiry.has(jti);
  }

  add({ jti, exp }: Claims): boolean {
    if (this.#expiry.has(jti)) return false;
    this.#expiry.set(jti, exp);
    if (now() >= this.#nextSweep) this.#sweep();
    return true;
  }

  forget({ jti }: Claims): void {
    this.#expiry.delete(jti);
  }

  #sweep(): void {
    this.#nextSweep = now() + 60;
    const limit = now() - 60; // a minute's grace, should the vault's clock be behind this one
    for (const [jti, exp] of this.#expiry) if (exp < limit) this.#expiry.delete(jti);
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  if (Number(request.headers['content-length']) > MAX_BODY) throw new Refusal(413, 'body too large');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Refusal(413, 'body too large'); // it hid its length: leaving the loop hangs up
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function reply(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

const now = (): number => Math.floor(Date.now() / 1000);
