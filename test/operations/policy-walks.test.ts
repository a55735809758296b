/**
 * Random walks against the real HSM: at each step the model (test/model/symbolic.ts, whose decisions are those of src/model over
 * attributes that it works out by itself) says whether the call is allowed and what becomes of it. After each walk an attacker
 * puts everything that came out to everything that opens: nothing that is not Known may open. `npm run test:long` walks a thousand.
 */
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { type AesKey, type EcKey, HsmError, type Key, type Session } from '../../dist/index.js';
import type { KeyAttributes } from '../../src/model/attributes.ts';
import {
  agreementOf,
  changed,
  DERIVATIONS,
  DERIVED,
  derivedKey,
  derivedSecret,
  GENERATED,
  generated,
  IMPORTED,
  imported,
  isItself,
  known,
  mayRewrap,
  mayWrap,
  OWN,
  PARTNER,
  partners,
  stateOf,
  symbolicBlob,
  symbolicKey,
  UNWRAPPED,
  unwrappedKey,
} from '../model/symbolic.ts';
import { bytes, nodeGcmOpen, nodeUnwrap, nodeWrap, stored } from './support.ts';

const LONG = process.env['KEYCELL_LONG'] !== undefined;
const WALKS = LONG ? 1000 : 150;

const it = stored();
let admin: Session;
let alice: Session;
beforeAll(() => {
  ({ admin, alice } = it);
});

const point = () =>
  new Uint8Array(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' }));
/** Of an honest partner, and of the attacker. */
const PUBLIC: Readonly<Record<string, Uint8Array>> = { [PARTNER]: point(), [OWN]: point() };
const KNOWN_BYTES = bytes(32, 7);

type Made = 'AES-KW' | 'AES-GCM';
interface HeldKey {
  handle: Key;
  attributes: KeyAttributes;
  born: KeyAttributes;
  readonly secret: string;
}
interface HeldBlob {
  readonly blob: Uint8Array;
  readonly under: string;
  readonly secret: string;
  readonly made: Made;
  readonly partners: boolean;
}

/** What the model follows of a handle. */
const shown = ({ extractable, wrapWithTrusted, trusted, origin, usage, type }: Key | KeyAttributes) => ({
  ...{ type, extractable, wrapWithTrusted, trusted, origin, usage: [...usage] },
});

class Walk {
  readonly keys: HeldKey[] = [];
  readonly blobs: HeldBlob[] = [];
  allowed = 0;
  refused = 0;
  #drawn = 0;

  /** Make the call where it is possible; the HSM does it exactly if the model says so. */
  async #call<T>(allowed: boolean, call: () => Promise<T>): Promise<T | undefined> {
    let done: T | undefined;
    let refusal: HsmError | undefined;
    try {
      done = await call();
    } catch (error) {
      if (!(error instanceof HsmError)) throw error;
      refusal = error;
    }
    expect(refusal === undefined, refusal?.message).toBe(allowed);
    if (allowed) this.allowed++;
    else this.refused++;
    return done;
  }

  #hold(handle: Key | undefined, attributes: KeyAttributes | null, secret: string): void {
    if (handle === undefined || attributes === null) return;
    expect(shown(handle)).toEqual(shown(attributes));
    this.keys.push({ handle, attributes, born: attributes, secret });
  }

  async generate(i: number): Promise<void> {
    const attributes = generated(i);
    const handle = await this.#call(attributes !== null, () => alice.generateKey(GENERATED[i]!));
    this.#hold(handle, attributes, `fresh${this.#drawn++}`);
  }

  async import(i: number): Promise<void> {
    const attributes = imported(i);
    const handle = await this.#call(attributes !== null, () =>
      alice.importKey(IMPORTED[i]!, new Uint8Array(KNOWN_BYTES)),
    );
    this.#hold(handle, attributes, 'known/bytes');
  }

  /** An honest partner's KEK and a blob under it, of which the attacker knows neither. */
  async partner(i: number): Promise<void> {
    const keks = GENERATED.flatMap(({ usage, dualUse }, at) =>
      usage.some((each) => each === 'unwrap') && dualUse === undefined ? [at] : [],
    );
    const which = keks[i % keks.length]!;
    const attributes = partners(which);
    if (attributes === null) return;
    const kek = bytes(32, 100 + this.#drawn);
    const content = bytes(32, 200 + this.#drawn);
    const handle = await alice.importKey(GENERATED[which]!, new Uint8Array(kek));
    const [under, secret] = [`kek${this.#drawn}`, `content${this.#drawn++}`];
    this.#hold(handle, attributes, under);
    this.blobs.push({ blob: nodeWrap('AES-KW', kek, content), under, secret, made: 'AES-KW', partners: true });
  }

  async derive(base: HeldKey, by: (typeof DERIVATIONS)[number], i: number, peer: number): Promise<void> {
    const others = this.keys.filter(({ attributes: { type } }) => type === 'EC');
    const isEc = base.attributes.type === 'EC';
    if (by.kdf === 'none' && !isEc) return;
    const name = [PARTNER, OWN][peer] ?? others[peer % Math.max(1, others.length)]?.secret ?? PARTNER;
    const publicKey = PUBLIC[name] ?? (others.find(({ secret }) => secret === name)!.handle as EcKey).publicKey;
    const kdf = {
      ...{ name: by.kdf, hash: 'SHA-256', algorithm: by.algorithm, label: Buffer.from('walk') },
    };
    const how = isEc ? { mechanism: 'ECDH', publicKey, kdf } : { mechanism: 'KDF', kdf };
    const made = derivedKey(base.attributes, by, i);
    const call = () => alice.deriveKey(base.handle as EcKey, how as never, DERIVED[i] as { type: 'AES' });
    const handle = await this.#call(made !== null, call);
    if (made === null) return;
    const input = isEc ? agreementOf(base.secret, name) : base.secret;
    this.#hold(handle, made.attributes, derivedSecret(by, made.purpose, input));
  }

  async wrap(wrapping: HeldKey, key: HeldKey, made: Made): Promise<void> {
    if (wrapping.attributes.type !== 'AES' || key.attributes.type === 'EC') return;
    const allowed = !isItself(wrapping, key) && mayWrap(wrapping.attributes, key.attributes);
    const call = () => alice.wrapKey(wrapping.handle as AesKey, key.handle, { mechanism: made });
    const blob = await this.#call(allowed, call);
    if (blob !== undefined) this.#sent(blob, wrapping.secret, key.secret, made);
  }

  #sent(blob: Uint8Array, under: string, secret: string, made: Made): void {
    this.blobs.push({ blob, under, secret, made, partners: false });
  }

  async unwrap(wrapping: HeldKey, { blob, made, secret, under }: HeldBlob, i: number): Promise<void> {
    if (wrapping.secret !== under) return;
    const attributes = unwrappedKey(wrapping.attributes, i);
    const template = UNWRAPPED[i] as { type: 'AES' };
    const call = () => alice.unwrapKey(wrapping.handle as AesKey, blob, template, { mechanism: made });
    const handle = await this.#call(attributes !== null, call);
    this.#hold(handle, attributes, secret);
  }

  async rewrap(from: HeldKey, { blob, made, secret, under }: HeldBlob, to: HeldKey): Promise<void> {
    if (from.secret !== under || to.attributes.type !== 'AES') return;
    const call = () =>
      alice.rewrapKeys([blob], {
        ...{ from: from.handle as AesKey, mechanism: made, to: to.handle as AesKey, as: 'AES-GCM' },
      } as const);
    const out = await this.#call(mayRewrap(from.attributes, to.attributes), call);
    if (out !== undefined) this.#sent(out[0]!, to.secret, secret, 'AES-GCM');
  }

  async change(key: HeldKey, i: number): Promise<void> {
    if (!key.handle.persistent) return;
    const changes = [{ trusted: true }, { extractable: false }, { wrapWithTrusted: true }] as const;
    const change = changes[i % changes.length]!;
    const isMark = 'trusted' in change;
    const to = changed(key.attributes, change, isMark);
    const session = isMark ? admin : alice;
    const handle = await this.#call(to !== null, () => session.setAttributes(key.handle, change));
    if (handle === undefined || to === null) return;
    expect(shown(handle)).toEqual(shown(to));
    key.handle = handle;
    key.attributes = to;
  }

  /** What the coalition knows by definition. */
  known(): Set<string> {
    const keys = this.keys.map(({ secret, attributes, born }) => symbolicKey(0, secret, attributes, born));
    const blobs = this.blobs.map(({ under, secret, partners }) =>
      symbolicBlob(under, secret, partners ? null : 0n, true),
    );
    return known(stateOf(keys, blobs));
  }

  /** Everything that came out, tried on everything that opens: how many attempts, and how many gave a secret. */
  async attack(): Promise<{ tried: number; opened: number }> {
    const knows = this.known();
    const out = [KNOWN_BYTES];
    let [tried, opened] = [0, 0];
    const found = (secret: string) => {
      opened++;
      expect(knows, secret).toContain(secret);
    };
    for (const { handle, secret } of this.keys) {
      tried++;
      const exported = await alice.exportKey(handle).catch(() => undefined);
      if (exported === undefined) continue;
      found(secret);
      out.push(exported);
    }
    for (const { blob, made, secret } of this.blobs) {
      for (const { handle } of this.keys) {
        if (handle.type !== 'AES' || made !== 'AES-GCM' || !handle.usage.includes('decrypt')) continue;
        tried++;
        const gcm = { mechanism: 'AES-GCM', iv: blob.subarray(0, 12) } as const;
        if (
          await alice.decrypt(handle, blob.subarray(12), gcm).then(
            () => true,
            () => false,
          )
        )
          found(secret);
      }
      for (const key of out) {
        if (key.length !== 32) continue;
        tried++;
        if (opens(made, key, blob)) found(secret);
      }
    }
    // Equal secrets show by their check values: the model's terms are equal exactly where those are.
    const aes = this.keys.filter(({ handle }) => handle.type === 'AES');
    for (const a of aes) {
      for (const b of aes) {
        tried++;
        expect((a.handle as AesKey).checkValue === (b.handle as AesKey).checkValue).toBe(a.secret === b.secret);
      }
    }
    return { tried, opened };
  }
}

function opens(made: Made, key: Uint8Array, blob: Uint8Array): boolean {
  try {
    if (made === 'AES-KW') nodeUnwrap('AES-KW', key, blob);
    else nodeGcmOpen(key, blob.subarray(0, 12), new Uint8Array(0), blob.subarray(12));
    return true;
  } catch {
    return false;
  }
}

const STEP = fc.record({ op: fc.nat(15), a: fc.nat(), b: fc.nat(), c: fc.nat(), i: fc.nat() });
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

async function take(walk: Walk, { op, a, b, c, i }: Step): Promise<void> {
  const pick = <T>(list: readonly T[], n: number): T => list[n % list.length]!;
  const { keys, blobs } = walk;
  if (op === 0) return walk.partner(i);
  if (op === 1) return walk.import(i % IMPORTED.length);
  if (op < 5 || keys.length === 0) return walk.generate(i % GENERATED.length);
  // Most keys are none that a call of this kind takes: those that are, first.
  const using = (usage: string) => {
    const fit = keys.filter(({ attributes }) => (attributes.usage as readonly string[]).includes(usage));
    return pick(fit.length > 0 && a % 8 !== 0 ? fit : keys, a >> 3);
  };
  if (op < 8) return walk.derive(using('derive'), pick(DERIVATIONS, b), i % DERIVED.length, c % 4);
  if (op < 10) return walk.change(pick(keys, a), i);
  if (op < 12 || blobs.length === 0) return walk.wrap(using('wrap'), pick(keys, b), i % 2 === 0 ? 'AES-KW' : 'AES-GCM');
  const blob = pick(blobs, b);
  const under = keys.filter(({ secret }) => secret === blob.under);
  if (op < 14) return walk.unwrap(pick(under, a), blob, i % UNWRAPPED.length);
  return walk.rewrap(pick(under, a), blob, using('wrap'));
}

test(`${WALKS} random walks`, { timeout: LONG ? 1_800_000 : 120_000 }, async () => {
  const sum = { walks: 0, allowed: 0, refused: 0, tried: 0, opened: 0, protected: 0 };
  const walking = fc.asyncProperty(fc.array(STEP, { minLength: 8, maxLength: 24, size: 'max' }), async (steps) => {
    const walk = new Walk();
    for (const step of steps) await take(walk, step);
    const { tried, opened } = await walk.attack();
    const knows = walk.known();
    sum.walks++;
    sum.allowed += walk.allowed;
    sum.refused += walk.refused;
    sum.tried += tried;
    sum.opened += opened;
    sum.protected += new Set(
      [...walk.keys, ...walk.blobs].map(({ secret }) => secret).filter((each) => !knows.has(each)),
    ).size;
  });
  await fc.assert(walking, { numRuns: WALKS, seed: 13 });
  console.info(
    `${sum.walks} walks: ${sum.allowed} calls allowed and ${sum.refused} refused as foretold; ` +
      `${sum.tried} attempts on ${sum.protected} protected secrets opened ${sum.opened}, all of them Known`,
  );
  expect(sum.allowed).toBeGreaterThan(WALKS);
  expect(sum.refused).toBeGreaterThan(WALKS);
  expect(sum.opened).toBeGreaterThan(0);
});
