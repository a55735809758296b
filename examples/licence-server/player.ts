/**
 * A player with many devices, in a process of its own: npm `jose` and node:crypto, and none of our code.
 * It asks for licences as a browser would, verifies each against the server's published keys, opens the content keys,
 * and decrypts samples with them. What it finds wrong is a failed request.
 */
import { createDecipheriv } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  compactDecrypt,
  createRemoteJWKSet,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  jwtVerify,
} from 'jose';

export interface Device {
  readonly jwk: JWK;
  readonly thumbprint: string;
  readonly privateKey: CryptoKey;
}

/** One licence to fetch: the demo says which, and has the shop's entitlement for it. */
export interface Job {
  readonly title: string;
  readonly kids: readonly string[];
  /** Which of the player's devices asks. */
  readonly device: number;
  readonly entitlement: string;
}

export interface RunOptions {
  readonly url: string;
  readonly jobs: readonly Job[];
  readonly concurrency: number;
  /** Where the packager put its samples. */
  readonly samples: string;
  /** Check licences when all are here, so that the clock runs for the server alone. */
  readonly checkAfterwards: boolean;
}

export interface RunResult {
  readonly done: number;
  readonly failed: number;
  /** The first few. */
  readonly failures: readonly string[];
  readonly keysOpened: number;
  readonly samplesDecrypted: number;
  /** By how many keys of the server the licences were signed. */
  readonly licenceKeys: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** Milliseconds, one a request. */
  readonly latencies: readonly number[];
}

/** One track's sample: the sample's own auxiliary data (ISO/IEC 23001-7 §7), the bytes, and what they must become. */
export interface Sample {
  readonly kid: string;
  readonly auxiliary: string;
  readonly data: string;
  readonly clear: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const keySets = new Map<string, ReturnType<typeof createRemoteJWKSet>>();

export async function makeDevice(): Promise<Device> {
  const { publicKey, privateKey } = await generateKeyPair('ECDH-ES', { crv: 'P-256' });
  const { kty, crv, x, y } = await exportJWK(publicKey);
  const jwk = { kty: kty!, crv: crv!, x: x!, y: y! };
  return { jwk, thumbprint: await calculateJwkThumbprint(jwk), privateKey };
}

export async function fetchLicence(url: string, device: Device, job: Job): Promise<{ status: number; body: string }> {
  const challenge = { kids: job.kids, type: 'temporary' };
  return post(`${url}/licence`, JSON.stringify({ challenge, device: device.jwk, entitlement: job.entitlement }));
}

/** Verify a licence and open its content keys; rejects whatever is not exactly what was asked for. `signedBy` is a kid. */
export async function openLicence(
  url: string,
  device: Device,
  job: Job,
  jws: string,
): Promise<{ keys: Map<string, Uint8Array>; signedBy: string }> {
  const { payload, protectedHeader } = await jwtVerify(jws, keySetOf(url), {
    algorithms: ['ES256'],
    typ: 'licence+jwt',
    issuer: 'https://licences.example',
    requiredClaims: ['exp', 'policy', 'keys'],
  });
  const { keys } = payload as JWTPayload & { keys: { kid: string; jwe: string }[] };
  const opened = new Map<string, Uint8Array>();
  const agreements = new Set<string>();
  for (const { kid, jwe } of keys) {
    const { plaintext, protectedHeader: header } = await compactDecrypt(jwe, device.privateKey, {
      keyManagementAlgorithms: ['ECDH-ES'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    if (header.kid !== kid || plaintext.length !== 16) throw new Error('a key is not what its header says');
    opened.set(kid, plaintext);
    agreements.add(JSON.stringify(header['epk']));
  }
  if (opened.size !== job.kids.length || !job.kids.every((kid) => opened.has(kid))) {
    throw new Error('the licence names other keys than those asked for');
  }
  if (agreements.size !== 1) throw new Error('more than one ephemeral key in a licence');
  return { keys: opened, signedBy: protectedHeader.kid! };
}

/**
 * The 'cenc' scheme (ISO/IEC 23001-7 §9.4, §9.5): AES-CTR over the protected ranges alone, laid end to end as one
 * stream. The auxiliary data is an 8-byte IV, a count, and pairs of clear (16 bits) and protected (32 bits) lengths.
 */
function decryptSample(key: Uint8Array, auxiliary: Buffer, data: Buffer): Buffer {
  const counter = Buffer.concat([auxiliary.subarray(0, 8), Buffer.alloc(8)]);
  const cipher = createDecipheriv('aes-128-ctr', key, counter);
  const parts: Buffer[] = [];
  let at = 0;
  for (let k = 0, pair = 10; k < auxiliary.readUInt16BE(8); k++, pair += 6) {
    const protectedAt = at + auxiliary.readUInt16BE(pair);
    const end = protectedAt + auxiliary.readUInt32BE(pair + 2);
    parts.push(data.subarray(at, protectedAt), cipher.update(data.subarray(protectedAt, end)));
    at = end;
  }
  parts.push(data.subarray(at));
  return Buffer.concat(parts);
}

async function checkSamples(folder: string, job: Job, keys: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const samples = await samplesOf(folder, job.title);
  for (const [kid, key] of keys) {
    const sample = samples.get(kid);
    if (sample === undefined) throw new Error('no sample for a key');
    if (!decryptSample(key, sample.auxiliary, sample.data).equals(sample.clear)) {
      throw new Error('a sample did not decrypt to the original');
    }
  }
}

type Track = { readonly auxiliary: Buffer; readonly data: Buffer; readonly clear: Buffer };
const sampleCache = new Map<string, Promise<Map<string, Track>>>();

function samplesOf(folder: string, title: string): Promise<Map<string, Track>> {
  const path = join(folder, `${title}.json`);
  let samples = sampleCache.get(path);
  if (samples === undefined) {
    samples = readFile(path, 'utf8').then((text) => {
      const bytes = (base64: string) => Buffer.from(base64, 'base64');
      const track = ({ auxiliary, data, clear }: Sample): Track => ({
        auxiliary: bytes(auxiliary),
        data: bytes(data),
        clear: bytes(clear),
      });
      return new Map((JSON.parse(text) as Sample[]).map((sample) => [sample.kid, track(sample)]));
    });
    sampleCache.set(path, samples);
  }
  return samples;
}

/** Fetch and check licences, `concurrency` at a time: each ends, right or wrong, before its place is taken. */
async function run(devices: readonly Device[], options: RunOptions): Promise<RunResult> {
  const { url, jobs, concurrency, samples, checkAfterwards } = options;
  const failures: string[] = [];
  const latencies: number[] = [];
  const received: { job: Job; jws: string }[] = [];
  const licenceKeys = new Set<string>();
  let [next, done, failed, keysOpened, samplesDecrypted] = [0, 0, 0, 0, 0];

  const check = async (job: Job, jws: string) => {
    const { keys, signedBy } = await openLicence(url, devices[job.device]!, job, jws);
    await checkSamples(samples, job, keys);
    licenceKeys.add(signedBy);
    samplesDecrypted += keys.size;
    keysOpened += keys.size;
  };
  const fail = (error: unknown) => {
    failed++;
    if (failures.length < 5) failures.push(error instanceof Error ? error.message : String(error));
  };
  const place = async () => {
    for (let job = jobs[next++]; job !== undefined; job = jobs[next++]) {
      try {
        const sent = performance.now();
        const { status, body } = await fetchLicence(url, devices[job.device]!, job);
        latencies.push(performance.now() - sent);
        if (status !== 200) throw new Error(`HTTP ${status} ${body}`);
        if (checkAfterwards) received.push({ job, jws: body });
        else await check(job, body);
      } catch (error) {
        fail(error);
      }
      if (++done % 25 === 0 || done === jobs.length) tell({ event: { done, failed } });
    }
  };

  const started = performance.now();
  await Promise.all(Array.from({ length: concurrency }, place));
  const seconds = (performance.now() - started) / 1000;
  for (const { job, jws } of received) await check(job, jws).catch(fail);
  return { done, failed, failures, keysOpened, samplesDecrypted, licenceKeys: licenceKeys.size, seconds, latencies };
}

/** To the demo, if it still listens: an interrupted one has hung up. */
function tell(message: object): void {
  if (process.connected) process.send!(message, () => {});
}

function keySetOf(url: string): ReturnType<typeof createRemoteJWKSet> {
  let keySet = keySets.get(url);
  if (keySet === undefined) {
    // A licence under a key that isn't known yet makes it ask again at once: that is how rotation reaches players.
    keySet = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`), { cooldownDuration: 0 });
    keySets.set(url, keySet);
  }
  return keySet;
}

function post(url: string, body: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const request = httpRequest(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, body: text }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** The demo's commands; the packager imports this file for the functions above alone. */
if (process.argv[1] === import.meta.filename) {
  const devices: Device[] = [];
  process.on('message', async ({ id, call, argument }: { id: number; call: string; argument: never }) => {
    try {
      let value: unknown;
      if (call === 'devices') {
        for (let k = 0; k < argument; k++) devices.push(await makeDevice());
        value = devices.map(({ jwk, thumbprint }) => ({ jwk, thumbprint }));
      } else if (call === 'run') {
        value = await run(devices, argument);
      } else if (call === 'ask') {
        const { url, job } = argument as { url: string; job: Job };
        value = await fetchLicence(url, devices[job.device]!, job);
      }
      tell({ id, value });
    } catch (error) {
      tell({ id, error: String(error) });
    }
  });
  process.on('SIGINT', () => {}); // the demo says when to end
  process.on('disconnect', () => process.exit());
}
