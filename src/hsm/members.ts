/**
 * The members of every bag that callers hand in, as its type has them (test/house/members.test.ts compares): JavaScript
 * ignores a misspelt one, and with it an associated data, an end, a policy.
 */
import type { HsmError } from '../errors.ts';
import { invalid, object } from './inputs.ts';

export type Members = ReadonlySet<string>;
const members = (...names: string[]): Members => new Set(names);

const CALL = ['signal', 'timeout'];
const OPEN = ['workers', 'queueLimit', 'lockout', 'quotas', 'assets'];

export const MEMBERS = {
  call: members(...CALL),
  // Opening and the life of an HSM
  openHsm: members(...OPEN, 'path', 'create', 'id', 'acceptLogLoss', 'unseal', 'lockTimeout'),
  openEphemeralHsm: members(...OPEN),
  lockout: members('after', 'delay', 'longest'),
  quotas: members('storedKeys', 'sessions', 'waitingRequests'),
  initialize: members('passphrase', 'admin', 'scryptLog2N', 'wipe'),
  admin: members('name', 'password'),
  login: members(...CALL, 'user', 'password', 'passphrase', 'keepAlive', 'wipe'),
  unseal: members(...CALL, 'wipe'),
  check: members(...CALL, 'onProgress'),
  close: members('timeout'),
  // Users
  createUser: members('name', 'role', 'password', 'wipe'),
  setPassword: members(...CALL, 'oldPassword', 'wipe'),
  // Keys
  template: members(
    ...['type', 'class', 'bits', 'curve', 'usage', 'label', 'id', 'persistent', 'extractable', 'destroyable'],
    ...['wrapWithTrusted', 'notBefore', 'notAfter', 'maxUses', 'dualUse', 'callerIv', 'rewrapPolicy'],
    ...['unwrapTemplate', 'deriveTemplate'],
  ),
  pattern: members(
    ...['type', 'bits', 'curve', 'usage', 'callerIv', 'extractable', 'wrapWithTrusted', 'notAfter', 'rewrapPolicy'],
    ...['unwrapTemplate', 'deriveTemplate'],
  ),
  rewrapPolicy: members('issuer', 'proofMaxAge', 'blobs'),
  filter: members('id', 'label', 'type', 'curve', 'class'),
  importKey: members(...CALL, 'wipe'),
  // Operations
  sign: members(...CALL, 'format', 'hash', 'prehashed', 'nonce'),
  envelope: members(...CALL, 'mechanism', 'aad'),
  /** Of the raw mechanisms together: that some take no `aad` has a reason of its own. */
  cipher: members(...CALL, 'mechanism', 'aad', 'iv'),
  reencrypt: members(...CALL, 'to', 'aad', 'toAad'),
  stream: members(...CALL, 'aad'),
  generateDataKey: members(...CALL, 'aad', 'bytes'),
  wrap: members(...CALL, 'mechanism', 'aad'),
  rewrapToKey: members(...CALL, 'from', 'to', 'mechanism', 'as'),
  rewrapToJwe: members(...CALL, 'from', 'to', 'mechanism', 'as', 'header'),
  jwkRecipient: members('jwk', 'proof'),
  spkiRecipient: members('spki', 'proof'),
  agree: members(...CALL, 'mechanism', 'publicKey', 'kdf'),
  derive: members(...CALL, 'mechanism', 'kdf'),
  /** Of all KDFs together. */
  kdf: members('name', 'hash', 'algorithm', 'apu', 'apv', 'label', 'context', 'salt', 'info'),
} as const;

/** Returns the bag. Throws INPUT_INVALID where it is none, or has a member that is none of these. */
export function bag<T>(value: T, known: Members, what = 'options', besides: Members = NONE): T {
  object(value, what);
  for (const name in value) {
    if (!known.has(name) && !besides.has(name) && !(name in Object.prototype)) throw unknown(name, known, what);
  }
  return value;
}
const NONE = members();

/** The same, each member read once into a bag of our own: what a getter says later nobody asks. */
export function read<T extends object>(value: T, known: Members, what = 'options', besides: Members = NONE): T {
  bag(value, known, what, besides);
  const own: Record<string, unknown> = {};
  for (const name of known) {
    const member = (value as Record<string, unknown>)[name];
    if (member !== undefined) own[name] = member;
  }
  return own as T;
}

/** What the cell alone decides and a handle tells: a template that is made from a handle has it, and is not believed. */
const DECIDED = members('trusted', 'local', 'origin', 'neverExtractable');

export const templateBag = <T>(template: T): T => bag(template, MEMBERS.template, 'a template', DECIDED);
export const readTemplate = <T extends object>(template: T): T =>
  read(template, MEMBERS.template, 'a template', DECIDED);

/** The same of options that may be left out. */
export const readOptions = <T extends object>(options: T | undefined, known: Members): T | undefined =>
  options === undefined ? undefined : read(options, known);

const NAME_MAX = 40;
/** So many are listed whatever the slip. */
const FEW = 4;

function unknown(name: string, known: Members, what: string): HsmError {
  const nearest = nearestOf(name, [...known]);
  const all = `there are ${[...known].join(', ')}`;
  const meant = `did you mean ${nearest}?`;
  const advice = nearest === undefined ? all : known.size > FEW ? meant : `${meant} ${all}`;
  return invalid(`${shown(name)} is no member of ${what}: ${advice}`);
}

/** A name may come from outside: it is cut, and nothing in it can move a terminal's cursor or turn its line round. */
function shown(name: string): string {
  const cut = name.length > NAME_MAX ? `${name.slice(0, NAME_MAX)}…` : name;
  if (/^[\w$]+…?$/.test(cut)) return cut;
  const escaped = (each: string): string => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(cut).replace(/[^ -~]/g, escaped);
}

/** Two slips, which a transposition is, or case alone; more is another word. */
const SLIPS_MAX = 2;

function nearestOf(name: string, known: readonly string[]): string | undefined {
  if (name.length > NAME_MAX) return undefined;
  const [nearest] = known
    .map((each) => ({ each, slips: slipsBetween(name.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, slips }) => slips <= SLIPS_MAX && slips < each.length - 1)
    .sort((a, b) => a.slips - b.slips);
  return nearest?.each;
}

/** Levenshtein's distance: characters to insert, remove or replace. */
function slipsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
