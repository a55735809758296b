/**
 * The purpose of a bound key and the derivation that it goes into, docs/formats.md §10, written a second time over node:crypto
 * from the document alone: an outside party that has the base computes the same keys.
 */
import { createHash, createHmac } from 'node:crypto';
import { u32, u64 } from './reference.ts';

const TYPES = ['AES', 'EC', 'HMAC', 'GENERIC', 'AES-CBC-HMAC'];
const CURVES = ['P-256', 'P-384', 'secp256k1'];
const USAGES = ['encrypt', 'decrypt', 'sign', 'verify', 'wrap', 'unwrap', 'derive'];
const EXTRACTABLE = [false, 'wrapped', 'plaintext'];

/** A re-wrap policy: trusted unless it says otherwise. */
export type Policy = 'any' | { readonly point: Uint8Array; readonly proofMaxAge: number; readonly blobs: boolean };

/** A pattern with nothing left to a default, as a handle shows it; what is missing is open, or false, or none. */
export interface Shape {
  readonly type: string;
  readonly bits?: number;
  readonly curve?: string;
  readonly usage: readonly string[];
  readonly callerIv?: boolean;
  readonly extractable: false | 'wrapped' | 'plaintext';
  readonly wrapWithTrusted?: boolean;
  readonly notAfter?: number;
  readonly policy?: Policy;
  readonly unwrapTemplate?: Shape | 'any';
  readonly deriveTemplate?: Shape | 'any';
}

const u16 = (n: number): Buffer => Buffer.of(n >> 8, n & 255);
const mask = (usage: readonly string[]): number => usage.reduce((bits, each) => bits | (1 << USAGES.indexOf(each)), 0);

function policy(of: Policy | undefined): Buffer {
  if (of === undefined) return Buffer.of(0);
  if (of === 'any') return Buffer.of(1);
  const id = Buffer.alloc(16);
  return Buffer.concat([
    ...[Buffer.of(2, of.point.length), of.point, id, u32(of.proofMaxAge)],
    Buffer.of(of.blobs ? 1 : 0),
  ]);
}

export function template(of: Shape | 'any' | undefined): Buffer {
  if (of === undefined) return Buffer.of(0);
  if (of === 'any') return Buffer.of(2);
  return Buffer.concat([
    Buffer.of(1, 1 + TYPES.indexOf(of.type)),
    u16(of.bits ?? 0),
    Buffer.of(of.curve === undefined ? 0 : 1 + CURVES.indexOf(of.curve)),
    u32(mask(of.usage)),
    Buffer.of((of.callerIv ? 1 : 0) + (of.wrapWithTrusted ? 2 : 0), EXTRACTABLE.indexOf(of.extractable)),
    u64(of.notAfter ?? 0),
    policy(of.policy),
    template(of.unwrapTemplate),
    template(of.deriveTemplate),
  ]);
}

/** The groups of usages that are one purpose, numbered from 0. */
const GROUPS = ['', 'encrypt decrypt', 'sign verify', 'wrap unwrap', 'derive'].map((group) => group.split(' '));

export function purpose(key: Shape & { readonly bits: number; readonly dualUse?: boolean }): Buffer {
  const found = GROUPS.findIndex((group) => key.usage.every((each) => group.includes(each)));
  const several = found === -1;
  const flags = (key.callerIv ? 1 : 0) + (key.wrapWithTrusted ? 2 : 0) + (key.dualUse ? 4 : 0);
  return createHash('sha256')
    .update('keycell/v1/purpose\0')
    .update(Buffer.of(1 + TYPES.indexOf(key.type)))
    .update(u16(key.bits))
    .update(Buffer.of(several ? 255 : found, EXTRACTABLE.indexOf(key.extractable), flags))
    .update(u32(several ? mask(key.usage) : 0))
    .update(policy(key.policy))
    .update(template(key.unwrapTemplate))
    .update(template(key.deriveTemplate))
    .digest();
}

/** SP 800-108r1 §4.1 with the purpose after the context. */
export function boundKey(
  base: Uint8Array,
  hash: 'sha256' | 'sha384' | 'sha512',
  { label, context = '' }: { readonly label: string; readonly context?: string },
  key: Shape & { readonly bits: number; readonly dualUse?: boolean },
): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 1; Buffer.concat(blocks).length < key.bits / 8; i++) {
    const mac = createHmac(hash, base).update(u32(i)).update(`${label}\0${context}`);
    blocks.push(mac.update(purpose(key)).update(u32(key.bits)).digest());
  }
  return Buffer.concat(blocks).subarray(0, key.bits / 8);
}
