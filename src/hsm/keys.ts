/** The keys that this HSM's store holds, by id and by label, and the handles that stand for them. */
import { HsmError } from '../errors.ts';
import type { KeyAttributes } from '../model/attributes.ts';
import type { KeyFilter } from '../model/hsm.ts';
import type { AesBits, AesKey, EcKey, Key } from '../model/key.ts';
import { decodeAttributes } from '../wire/attributes.ts';
import type { SealedKey } from '../wire/batch.ts';
import { encodeJwk, encodeSpki, thumbprintOf } from '../wire/encodings.ts';
import { fromHex, ID_SIZE, toHex } from '../wire/fields.ts';
import { type Stated, type StatedKey, statedKey } from '../wire/plain.ts';
import { issuerInfo, templateInfo } from '../wire/policy-info.ts';
import { decodeRecordHeader } from '../wire/record.ts';
import { KeptKey, keep, keptBy, letGo } from './kept.ts';

/** A key as a request names it, with what its record says in the clear. */
export interface StatedSealedKey extends SealedKey {
  readonly attributes: KeyAttributes;
}

/** A sealed record of the store, and what it says in the clear. */
export interface KeyEntry extends StatedSealedKey {
  readonly owner: string;
  readonly idBytes: Uint8Array;
}

/** Read a key's record. What it says is authentic only once a cell has opened it. Throws FormatError. */
export function entryOf(record: Uint8Array): KeyEntry {
  const { id, owner, attributes } = decodeRecordHeader(record);
  return { id, idBytes: fromHex(id, ID_SIZE), owner, record, attributes: decodeAttributes(attributes) };
}

/** What the record says of its key, the short way where there is one. Throws FormatError. */
function statedOf(record: Uint8Array): StatedKey {
  const plain = statedKey(record);
  if (plain !== undefined) return plain;
  const { id, owner, attributes } = entryOf(record);
  return { id, owner, stated: stated(attributes) };
}

const stated = (attributes: KeyAttributes): Stated => ({
  ...attributes,
  usage: Object.freeze([...attributes.usage]),
  checkValue: toHex(attributes.checkValue),
});

/** The handle of a key: frozen, and without any secret. */
export const handleOf = ({ id, owner, attributes }: KeyEntry): Key =>
  Object.freeze(openHandle({ id, owner, stated: stated(attributes) }));

/**
 * What all handles have, then what those of a type have, member by member: a spread goes through V8's runtime, at twenty times
 * the cost, and leaves an object that is slow to freeze.
 */
function openHandle({ id, owner, stated: a }: StatedKey): Key {
  const handle = {
    type: a.type,
    id,
    version: a.version,
    class: a.class,
    label: a.label ?? undefined,
    owner,
    extractable: a.extractable,
    // Of an imported key the record tells no more than that nothing here ever gave it out.
    neverExtractable: a.neverExtractable && a.origin === 'generated',
    local: a.origin === 'generated',
    origin: a.origin,
    trusted: a.trusted,
    wrapWithTrusted: a.wrapWithTrusted,
    destroyable: a.destroyable,
    persistent: a.persistent,
    notBefore: a.notBefore === 0 ? undefined : new Date(a.notBefore),
    notAfter: a.notAfter === 0 ? undefined : new Date(a.notAfter),
    createdAt: new Date(a.createdAt),
    usage: a.usage,
  } as Open;
  if (a.type === 'EC') {
    const [curve, point] = [a.curve!, a.point!];
    const jwk = encodeJwk(curve, point);
    const kid = thumbprintOf(jwk);
    handle.curve = curve;
    handle.publicKey = encodeSpki(curve, point);
    handle.jwk = Object.freeze({ ...jwk, kid });
    handle.kid = kid;
    handle.deriveTemplate = templateInfo(a.deriveTemplate);
    return handle as Key;
  }
  handle.bits = a.bits as AesBits;
  if (a.type === 'AES') {
    handle.checkValue = a.checkValue;
    handle.callerIv = a.callerIv;
    handle.rewrapPolicy = a.rewrap;
    handle.issuer = issuerInfo(a.issuer);
    handle.unwrapTemplate = templateInfo(a.unwrapTemplate);
  } else if (a.type !== 'AES-CBC-HMAC') handle.deriveTemplate = templateInfo(a.deriveTemplate);
  return handle as Key;
}

/** A handle that is not frozen yet. */
type Open = { -readonly [Member in keyof AesKey | keyof EcKey]?: (AesKey & Omit<EcKey, keyof AesKey>)[Member] };

export class KeyIndex {
  readonly #quota: number;
  /** How many keys each user has, and will have when the calls in progress are over. */
  #counts = new Map<string, number>();
  readonly #byId = new Map<string, KeyEntry>();
  readonly #byLabel = new Map<string, string>();
  /** Labels and ids that a call in progress will use. */
  readonly #reserved = new Map<string, Promise<void>>();

  /** So many keys a user may have. */
  constructor(quota = Number.POSITIVE_INFINITY) {
    this.#quota = quota;
  }

  get size(): number {
    return this.#byId.size;
  }

  clear(): void {
    this.#byId.clear();
    this.#byLabel.clear();
    // Calls in progress give back what they hold to the map that they hold it of.
    this.#counts = new Map();
  }

  put(entry: KeyEntry): void {
    this.remove(entry.id);
    this.#byId.set(entry.id, entry);
    count(this.#counts, entry.owner, 1);
    if (entry.attributes.label !== null) this.#byLabel.set(labelName(entry.owner, entry.attributes.label), entry.id);
  }

  remove(id: string): void {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    this.#byId.delete(id);
    count(this.#counts, entry.owner, -1);
    if (entry.attributes.label !== null) this.#byLabel.delete(labelName(entry.owner, entry.attributes.label));
  }

  get(id: string): KeyEntry | undefined {
    return this.#byId.get(id);
  }

  byLabel(owner: string, label: string): KeyEntry | undefined {
    const id = this.#byLabel.get(labelName(owner, label));
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /**
   * Keep a label, an id and a place among the owner's keys for a call in progress that makes a key; gives the release.
   * Throws KEY_CONFLICT, and LIMIT_EXCEEDED where the owner has as many keys as a user may have.
   */
  reserveNew(owner: string, label: string | null, id: string | undefined): () => void {
    if ((this.#counts.get(owner) ?? 0) >= this.#quota) {
      const detail = `this user has as many keys as quotas.storedKeys allows, ${this.#quota}: destroy some first`;
      throw new HsmError('KEYCELL_LIMIT_EXCEEDED', detail);
    }
    const release = this.reserve(owner, label, id);
    const giveBack = this.hold(owner);
    return () => {
      release();
      giveBack();
    };
  }

  /** Keep one place among the owner's keys, while a key that has it may come back; gives the release. */
  hold(owner: string): () => void {
    const counts = this.#counts;
    count(counts, owner, 1);
    return () => count(counts, owner, -1);
  }

  /** Keep a label and an id for a call in progress; gives the release. Throws KEY_CONFLICT. */
  reserve(owner: string, label: string | null, id: string | undefined): () => void {
    const names = [...(label === null ? [] : [labelName(owner, label)]), ...(id === undefined ? [] : [id])];
    const taken =
      (label !== null && this.byLabel(owner, label) !== undefined) ||
      (id !== undefined && this.#byId.has(id)) ||
      names.some((name) => this.#reserved.has(name));
    if (taken) throw new HsmError('KEYCELL_KEY_CONFLICT');
    let tell = (): void => {};
    const released = new Promise<void>((resolve) => {
      tell = resolve;
    });
    for (const name of names) this.#reserved.set(name, released);
    return () => {
      for (const name of names) this.#reserved.delete(name);
      tell();
    };
  }

  /** The end of the call in progress that will use this label, if there is one. */
  inProgress(owner: string, label: string): Promise<void> | undefined {
    return this.#reserved.get(labelName(owner, label));
  }

  sessionKey(record: Uint8Array): Key {
    const stated = statedOf(record);
    return Object.freeze(keep(openHandle(stated), new KeptKey(stated.id, record, this)));
  }

  /** A session key that was destroyed: its handle is of no use any more. */
  forget(key: Key): void {
    letGo(key);
  }

  /** What a request carries for this handle. Throws KEY_NOT_FOUND where the key is gone. */
  sealed(key: Key): StatedSealedKey {
    const sealed = key?.persistent === false ? this.#keptBy(key) : this.#byId.get(key?.id);
    if (sealed === undefined) throw new HsmError('KEYCELL_KEY_NOT_FOUND');
    return sealed;
  }

  /** Whatever looks like a handle, and is none of ours, carries nothing. */
  #keptBy(key: Key): StatedSealedKey | undefined {
    const kept = keptBy(key);
    return kept?.home === this ? kept : undefined;
  }

  *find(filter: KeyFilter, owner: string | undefined): Generator<KeyEntry> {
    for (const entry of this.#byId.values()) {
      const { attributes: a } = entry;
      const matches =
        (owner === undefined || entry.owner === owner) &&
        (filter.id === undefined || entry.id === filter.id) &&
        (filter.label === undefined || a.label === filter.label) &&
        (filter.type === undefined || a.type === filter.type) &&
        (filter.curve === undefined || a.curve === filter.curve) &&
        (filter.class === undefined || a.class === filter.class);
      if (matches) yield entry;
    }
  }
}

function count(counts: Map<string, number>, owner: string, more: 1 | -1): void {
  const now = (counts.get(owner) ?? 0) + more;
  if (now > 0) counts.set(owner, now);
  else counts.delete(owner);
}

const labelName = (owner: string, label: string): string => `${owner}/${label}`;
