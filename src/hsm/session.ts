/** A session: turns calls into requests, and results into what was asked for. It decides nothing: the cell does. */
import { setImmediate as turn } from 'node:timers/promises';
import { atIndex, busyError, eachOf, HsmError, type HsmErrorCode, unreadable } from '../errors.ts';
import type { KeyAttributes, Template } from '../model/attributes.ts';
import type {
  AadOption,
  BaseKey,
  BlockModeDecryptOptions,
  BlockModeEncryptOptions,
  CallOptions,
  CbcHmacDecryptOptions,
  CbcHmacEncryptOptions,
  DeriveOptions,
  EnvelopeOptions,
  FoundKey,
  GcmDecryptOptions,
  GcmEncryptOptions,
  GcmWrapOptions,
  Kdf,
  KeyChanges,
  KeyFilter,
  NewUser,
  Password,
  Recipient,
  ReencryptOptions,
  RewrapToJweOptions,
  RewrapToKeyOptions,
  Secret,
  Session,
  SigningKey,
  SignOptions,
  UserInfo,
  WrapOptions,
} from '../model/hsm.ts';
import type {
  AesCbcHmacKey,
  AesKey,
  Bytes,
  Curve,
  Key,
  KeyClass,
  KeyOf,
  KeyTemplate,
  PartialTemplate,
  PublicKeyInput,
} from '../model/key.ts';
import { BLOBS_MAX, BLOBS_SIZE_MAX, DATA_KEY_MAX, IV_MAX, RANDOM_MAX, SIGN_MANY_MAX } from '../model/limits.ts';
import { CONTENT_KEY } from '../model/pattern.ts';
import { derivedBy } from '../model/policy.ts';
import { isBytes, isDate, lengthOf, timeOf } from '../model/values.ts';
import type { Caller, Finish, PoolRequest, SubmitOptions } from '../pool/pool.ts';
import { type CellResult, FLAG, type MechanismName, type OpName, type SealedKey } from '../wire/batch.ts';
import { FieldWriter, sameBytes, toHex } from '../wire/fields.ts';
import { packList, readList } from '../wire/list.ts';
import { wipeAll } from '../wire/own.ts';
import { decodeTicket, SESSION_LIFETIME } from '../wire/ticket.ts';
import { type Cancellation, cancellationOf } from './cancellation.ts';
import type { Change } from './commits.ts';
import { inPieces, type Pieces, wholeOf } from './digest.ts';
import { type Engine, keyName, type UserEntry, userName } from './engine.ts';
import {
  boundedCopy,
  callOf,
  checkCall,
  copy,
  flag,
  invalid,
  labelOf,
  limitExceeded,
  listOf,
  NOTHING,
  nameOf,
  object,
  promised,
  reading,
  secretCopy,
  viewOf,
  whole,
} from './inputs.ts';
import { jweHeaders } from './jwe-headers.ts';
import { KeepAlive } from './keep-alive.ts';
import { entryOf, handleOf, type KeyEntry, type StatedSealedKey } from './keys.ts';
import type { Lane } from './lane.ts';
import type { Turn } from './login-line.ts';
import { cipher, kdfOf, pointOn, recipient, signing, wrapAad, wrapAs } from './mechanisms.ts';
import { bag, MEMBERS, read, readOptions, readTemplate } from './members.ts';
import { takeSecret, wipedIfRefused } from './secrets.ts';
import { decryptingStream, encryptingStream, type Send, type StreamOptions } from './streams.ts';
import { type Above, attributesOf, encoded, idOf, sameAttributes, wantedOf } from './template.ts';
import { infoOf, userEntryOf } from './users.ts';

/** Copying so many bytes takes less than a refusal. */
const COPIED_AT_ONCE = 32 * 1024;
/** The warden serves everyone, and says every second that they may be served: one session shall not keep it from that. */
const WARDEN_CALLS_MAX = 64;
/** Keys that `findKeys` gives in one turn of the event loop. */
const FOUND_A_TURN = 128;

/** How the pool shall treat a request. */
type Care = Pick<SubmitOptions, 'wipe' | 'durable'>;
const PUBLIC: Care = {};
/** The parts are secrets, in arrays of our own. */
const SECRET: Care = { wipe: true };
/** A change of state. */
const DURABLE: Care = { durable: true };
const SECRET_AND_DURABLE: Care = { wipe: true, durable: true };

export class SessionImpl implements Session {
  readonly #engine: Engine;
  readonly #caller: Caller;
  readonly #lane: Lane;
  #ticket: Uint8Array;
  #closed = false;
  #logout: Promise<void> | undefined;
  #expiresAt: number;
  #renewing: Promise<void> | undefined;
  /** Calls of the warden that are under way. */
  #asked = 0;
  #id: string;
  /** The login before this one, of a session that is kept. */
  #before: { readonly id: string; readonly ticket: Uint8Array } | undefined;
  #keepAlive: KeepAlive | undefined;
  /** Of a session that is kept: in which of its logins a session key was made. */
  #madeIn: WeakMap<Key, string> | undefined;
  readonly user: UserInfo;

  constructor(engine: Engine, ticket: Uint8Array, user: UserInfo) {
    this.#engine = engine;
    this.#caller = engine.caller(user.id);
    this.#lane = engine.newLane();
    this.#ticket = ticket;
    this.user = user;
    const { session, expiresAt } = decodeTicket(ticket);
    this.#id = session;
    this.#expiresAt = engine.wallTime(expiresAt);
  }

  get id(): string {
    return this.#id;
  }

  /** From now on, until it is closed, or nobody may log in by `login` any more; that gives a ticket of the same user. */
  keepAlive(login: () => Promise<Uint8Array>, onEnd: () => void): KeepAlive {
    this.#madeIn = new WeakMap();
    const keeping = {
      renew: async () => {
        await this.renew();
        const { expiresAt, loggedInAt } = decodeTicket(this.#ticket);
        return expiresAt - loggedInAt < SESSION_LIFETIME;
      },
      login: async () => this.#goOnWith(await login()),
    };
    this.#keepAlive = new KeepAlive(keeping, onEnd);
    return this.#keepAlive;
  }

  #goOnWith(ticket: Uint8Array): void {
    const { session, user, expiresAt } = decodeTicket(ticket);
    // Closed meanwhile, or of another user who has the name now.
    if (this.#closed || user !== this.user.id) {
      this.#engine.ask('logout', { ticket }).catch(() => {});
      throw new HsmError('KEYCELL_LOGIN_FAILED');
    }
    // The one before lapses by itself, within minutes: requests and streams that are under way have it.
    this.#before = { id: this.#id, ticket: this.#ticket };
    this.#ticket = ticket;
    this.#id = session;
    this.#expiresAt = this.#engine.wallTime(expiresAt);
  }

  get expiresAt(): Date {
    return new Date(this.#expiresAt);
  }

  renew(options?: CallOptions): Promise<void> {
    return promised(() => {
      const call = readOptions(options, MEMBERS.call);
      this.#mustBeOpen();
      const cancellation = cancellationOf(call);
      cancellation.begin();
      // Calls that come meanwhile ask for the same: the warden, who serves everyone, hears one of them.
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = undefined;
      });
      return cancellation.wait(this.#renewing);
    });
  }

  async #renew(): Promise<void> {
    // It counts among the requests that wait, and is never refused for them: who works at their quota's edge stays in.
    const before = this.#ticket;
    const { ticket } = await this.#caller.waitFor(this.#engine.ask('renew', { ticket: before }));
    // Logged in again meanwhile.
    if (this.#ticket !== before) return;
    this.#ticket = ticket;
    this.#expiresAt = this.#engine.wallTime(decodeTicket(ticket).expiresAt);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#keepAlive?.stop();
    // Where the logout failed, the ticket may still be good: another call asks again.
    this.#logout ??= this.#endTicket().catch((error) => {
      this.#logout = undefined;
      throw error;
    });
    return this.#logout;
  }

  async #endTicket(): Promise<void> {
    try {
      await this.#engine.ask('logout', { ticket: this.#ticket });
    } catch (error) {
      // A session that is over already, or an HSM that is sealed, leaves nothing to revoke.
      const over = ['KEYCELL_SESSION_EXPIRED', 'KEYCELL_SESSION_REVOKED', 'KEYCELL_SEALED', 'KEYCELL_CLOSING'];
      if (!(error instanceof HsmError) || !over.includes(error.code)) throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new HsmError('KEYCELL_SESSION_REVOKED');
    this.#engine.mustBeReady();
  }

  #request(
    op: OpName,
    mechanism: MechanismName,
    flags: number,
    keys: readonly SealedKey[],
    parts: readonly Uint8Array[],
  ): PoolRequest {
    return { op, mechanism, flags, ticket: this.#ticket, keys, parts, caller: this.#caller };
  }

  #submit<T = CellResult>(
    request: PoolRequest,
    options: CallOptions = NO_OPTIONS,
    finish?: Finish<T>,
    care: Care = PUBLIC,
  ): Promise<T> {
    try {
      if (this.#closed) throw new HsmError('KEYCELL_SESSION_REVOKED');
      const { signal, timeout } = object(options, 'options');
      if (signal === undefined && timeout === undefined) return this.#engine.submit(request, care, finish);
      checkCall(signal, timeout);
      return this.#engine.submit(request, { ...care, signal, timeout }, finish);
    } catch (error) {
      if (care.wipe) wipeAll(request.parts);
      throw unreadable(error);
    }
  }

  /** A copy of a public input, made when there is room for it: a call that is refused costs little, however large it is. */
  #copy(bytes: Uint8Array): Uint8Array {
    this.#mustHaveRoom(bytes);
    return copy(bytes);
  }

  #copyOf(bytes: Uint8Array | undefined): Uint8Array {
    return bytes === undefined ? NOTHING : this.#copy(bytes);
  }

  #mustHaveRoom(bytes: Uint8Array): void {
    // What is no array is refused where it is copied.
    const size = isBytes(bytes) ? lengthOf(bytes) : 0;
    if (size > COPIED_AT_ONCE) this.#engine.mustHaveRoom(this.#caller, size);
  }

  #sealed(key: Key): StatedSealedKey {
    // A sealed HSM knows no keys, and shall not say of any that it is gone.
    this.#engine.mustBeReady();
    const madeIn = this.#madeIn?.get(key);
    if (madeIn !== undefined && madeIn !== this.#id) {
      throw new HsmError('KEYCELL_SESSION_EXPIRED', 'the session that made this session key is over: make another');
    }
    try {
      return this.#engine.keys.sealed(key);
    } catch (error) {
      throw unreadable(error);
    }
  }

  // Keys

  generateKey<const T extends KeyTemplate>(template: T, options?: CallOptions): Promise<KeyOf<T>> {
    return promised(() => {
      const call = readOptions(options, MEMBERS.call);
      const id = idIn(template);
      return this.#make(template, id, true, call, (attributes, issuer) =>
        this.#request('generateKey', 'none', 0, issuer, [id.bytes, attributes]),
      );
    });
  }

  async ensureKey<const T extends KeyTemplate & { readonly label: string }>(
    template: T,
    options?: CallOptions,
  ): Promise<KeyOf<T>> {
    const [own, call] = reading(() => [readTemplate(template), readOptions(options, MEMBERS.call)]);
    const wanted = reading(() => attributesOf(own, true, 0));
    if (wanted.label === null || !wanted.persistent) throw invalid('ensureKey goes by the label of a persistent key');
    const { keys } = this.#engine;
    const cancellation = cancellationOf(call);
    await this.#known(cancellation);
    // Somebody else may be making this key: what he makes is the key that exists.
    for (let busy = keys.inProgress(this.user.id, wanted.label); busy !== undefined; ) {
      await cancellation.wait(busy);
      busy = keys.inProgress(this.user.id, wanted.label);
    }
    const existing = keys.byLabel(this.user.id, wanted.label);
    if (existing === undefined) return this.generateKey(own, cancellation.within(call));
    if (!sameAttributes(existing.attributes, wanted)) throw new HsmError('KEYCELL_KEY_CONFLICT');
    return handleOf(existing) as KeyOf<T>;
  }

  async importKey<const T extends KeyTemplate>(
    template: T & { readonly class?: KeyClass },
    material: Secret | PublicKeyInput,
    options: CallOptions & { readonly wipe?: boolean } = {},
    // biome-ignore lint/suspicious/noExplicitAny: the interface has two overloads, one of them without T
  ): Promise<any> {
    const { isPublic, curve, wipe } = reading(() => ({
      isPublic: object(template, 'a template').class === 'public',
      curve: (template as { readonly curve?: Curve }).curve,
      wipe: object(options, 'options').wipe,
    }));
    const { asked, call, cancellation } = wipedIfRefused([material as Secret], !isPublic && wipe, () =>
      reading(() => {
        flag(wipe, 'wipe', false);
        const read = readOptions(options, MEMBERS.importKey);
        return { asked: readTemplate(template), call: read, cancellation: cancellationOf(read) };
      }),
    );
    if (!isPublic && typeof material === 'string') {
      throw invalid(
        'a private key comes as bytes, PEM too, since nothing can wipe a string: read its file without an encoding',
      );
    }
    const own = isPublic
      ? reading(() => pointOn(curve, material))
      : await orWiped(cancellation, takeSecret(material as Secret, wipe));
    let handed = false;
    try {
      const id = idIn(asked);
      const importing = (attributes: Uint8Array, issuer: readonly SealedKey[]): PoolRequest => {
        handed = true;
        return this.#request('importKey', 'none', 0, issuer, [id.bytes, attributes, own]);
      };
      return await this.#make(asked, id, true, cancellation.within(call), importing, true);
    } catch (error) {
      throw unreadable(error);
    } finally {
      if (!handed) own.fill(0);
    }
  }

  /** Every way to a new key ends here: ask the cell, and keep the record where the template says. */
  #make<K extends Key>(
    template: KeyTemplate | PartialTemplate,
    { id }: NamedId,
    persistent: boolean,
    options: CallOptions | undefined,
    request: (attributes: Uint8Array, issuer: readonly SealedKey[]) => PoolRequest,
    wipe = false,
    above?: Above,
  ): Promise<K> {
    const { attributes, bytes, issuer: named } = wantedOf(template, persistent, above);
    const issuer = named === undefined ? NO_KEYS : [this.#sealed(this.#issuerOf(named))];
    // The next template like this one is asked for by the same bytes: what is wiped must be others.
    const asked = wipe ? new Uint8Array(bytes) : bytes;
    if (!attributes.persistent) {
      return this.#submit(request(asked, issuer), options, this.#sessionKey as Finish<K>, wipe ? SECRET : PUBLIC);
    }
    return this.#makePersistent<K>(id, attributes, () => request(asked, issuer), options, wipe);
  }

  readonly #sessionKey = ({ parts }: CellResult): Key => {
    const key = this.#engine.keys.sessionKey(parts[0]!);
    this.#madeIn?.set(key, this.#id);
    return key;
  };

  async #makePersistent<K extends Key>(
    id: string | undefined,
    attributes: KeyAttributes,
    request: () => PoolRequest,
    options: CallOptions | undefined,
    wipe: boolean,
  ): Promise<K> {
    const cancellation = cancellationOf(options);
    const unknown = this.#known(cancellation);
    // Otherwise in this very step: who asks for the same label meanwhile finds it reserved.
    if (unknown !== undefined) await unknown;
    const release = this.#engine.keys.reserveNew(this.user.id, attributes.label, id);
    const care = wipe ? SECRET_AND_DURABLE : DURABLE;
    const submit = (): Promise<Bytes> => this.#submit(request(), cancellation.within(options), firstPart, care);
    return this.#changing(cancellation, release, submit, async (record) => {
      const entry = entryOf(new Uint8Array(record));
      await this.#write(entry, null);
      this.#engine.keys.put(entry);
      return handleOf(entry) as K;
    });
  }

  /**
   * A change of a key: asked of a cell, then kept on the disk. What it reserved is held until both are over, even where the call
   * is over before.
   */
  async #changing<T>(
    cancellation: Cancellation,
    release: () => void,
    submit: () => Promise<Bytes>,
    keep: (record: Bytes) => Promise<T>,
  ): Promise<T> {
    let record: Bytes;
    try {
      record = await submit();
    } catch (error) {
      release();
      throw error;
    }
    const keeping = async (): Promise<T> => {
      try {
        return await keep(record);
      } finally {
        release();
      }
    };
    cancellation.begin();
    return cancellation.wait(keeping());
  }

  /** Undefined where it is known what the store holds; else resolves when it is. */
  #known(cancellation: Cancellation): Promise<void> | undefined {
    const unknown = this.#engine.known();
    return unknown === undefined ? undefined : cancellation.wait(unknown);
  }

  #issuerOf(named: Key | { readonly id: string }): Key {
    if ('type' in named) return named;
    const entry = this.#engine.keys.get(named.id);
    if (entry === undefined) throw new HsmError('KEYCELL_KEY_NOT_FOUND');
    return handleOf(entry);
  }

  /** On the disk first, then visible. */
  #write({ id, record }: KeyEntry, before: KeyEntry | null): Promise<void> {
    return this.#commit({ key: keyName(id), record, before: before?.record ?? null });
  }

  #commit(change: Change): Promise<void> {
    return this.#caller.waitFor(this.#engine.commit(change));
  }

  exportKey(key: Key, options?: CallOptions): Promise<Bytes> {
    return promised(() => {
      object(key, 'a key');
      const call = readOptions(options, MEMBERS.call);
      if (key.type === 'EC' && key.class === 'public') {
        cancellationOf(call);
        return Promise.resolve(new Uint8Array(viewOf(key.publicKey)));
      }
      return this.#submit(this.#request('exportKey', 'none', 0, [this.#sealed(key)], []), call, firstPart);
    });
  }

  async getKey<const F extends KeyFilter>(filter: F, options?: CallOptions): Promise<FoundKey<F>> {
    const own = reading(() => {
      cancellationOf(readOptions(options, MEMBERS.call));
      return read(filter, MEMBERS.filter, 'a filter');
    });
    const found: KeyEntry[] = [];
    for (const entry of this.#visible(own)) {
      found.push(entry);
      if (found.length > 1) throw new HsmError('KEYCELL_KEY_AMBIGUOUS');
    }
    if (found[0] === undefined) throw new HsmError('KEYCELL_KEY_NOT_FOUND');
    return handleOf(found[0]) as FoundKey<F>;
  }

  async *findKeys<const F extends KeyFilter = KeyFilter>(
    filter: F = {} as F,
    options?: CallOptions,
  ): AsyncGenerator<FoundKey<F>, void, undefined> {
    const [own, call] = reading(() => [read(filter, MEMBERS.filter, 'a filter'), readOptions(options, MEMBERS.call)]);
    let given = 0;
    let cancellation = cancellationOf(call);
    for (const entry of [...this.#visible(own)]) {
      // A loop over them never leaves the microtasks by itself: whoever else waits would wait for the last.
      if (++given % FOUND_A_TURN === 0) await cancellation.wait(turn());
      yield handleOf(entry) as FoundKey<F>;
      // How long the caller takes for each is theirs.
      cancellation = cancellationOf(call);
    }
  }

  /** A crypto-user sees his own keys, an admin the names and attributes of all. */
  #visible(filter: KeyFilter): Iterable<KeyEntry> {
    this.#mustBeOpen();
    return this.#engine.keys.find(filter, this.user.role === 'admin' ? undefined : this.user.id);
  }

  async setAttributes<K extends Key>(key: K, changes: KeyChanges, options?: CallOptions): Promise<K> {
    const { seen, asked, call } = reading(() => ({
      seen: seenOf(key),
      asked: changesOf(changes),
      call: readOptions(options, MEMBERS.call),
    }));
    const cancellation = cancellationOf(call);
    await this.#known(cancellation);
    const before = this.#engine.keys.get(seen.id);
    if (before === undefined || !seen.persistent) throw new HsmError('KEYCELL_KEY_NOT_FOUND');
    if (asked.trusted === true && !isTheSame(seen, before)) {
      throw new HsmError(
        'KEYCELL_KEY_CONFLICT',
        'the key of this id is not the one that the handle is of: look at it again',
      );
    }
    const { acceptImported = false, ...changed } = asked;
    const attributes: KeyAttributes = { ...before.attributes, ...changed };
    const flags = acceptImported ? FLAG.acceptImported : 0;
    const renamed = attributes.label !== before.attributes.label;
    const { keys } = this.#engine;
    const request = this.#request('setAttributes', 'none', flags, [before], [encoded(attributes)]);
    const release = keys.reserve(before.owner, renamed ? attributes.label : null, undefined);
    const submit = (): Promise<Bytes> => this.#submit(request, cancellation.within(call), firstPart, DURABLE);
    return this.#changing(cancellation, release, submit, async (record) => {
      if (keys.get(seen.id) !== before) throw new HsmError('KEYCELL_KEY_CONFLICT', 'the key was changed meanwhile');
      const entry = entryOf(new Uint8Array(record));
      await this.#write(entry, before);
      keys.put(entry);
      return handleOf(entry) as K;
    });
  }

  async destroyKey(key: Key, options?: CallOptions): Promise<void> {
    const { call, sealed, persistent } = reading(() => ({
      call: readOptions(options, MEMBERS.call),
      sealed: this.#sealed(key),
      persistent: key.persistent,
    }));
    const cancellation = cancellationOf(call);
    await this.#submit(this.#request('destroyKey', 'none', 0, [sealed], []), call, undefined, DURABLE);
    if (!persistent) {
      this.#engine.keys.forget(key);
      return;
    }
    const { keys } = this.#engine;
    const entry = keys.get(sealed.id);
    if (entry === undefined) return;
    cancellation.begin();
    await cancellation.wait(this.#removeKey(entry));
  }

  async #removeKey(entry: KeyEntry): Promise<void> {
    const { keys } = this.#engine;
    // Its place among the owner's keys stays taken until it is gone for good: it may come back.
    const release = keys.hold(entry.owner);
    keys.remove(entry.id);
    try {
      await this.#commit({ key: keyName(entry.id), record: null, before: entry.record });
    } catch (error) {
      if (keys.get(entry.id) === undefined) keys.put(entry);
      throw error;
    } finally {
      release();
    }
  }

  // Signatures

  sign(key: SigningKey, message: Uint8Array | Pieces, options: SignOptions = NO_OPTIONS): Promise<Bytes> {
    try {
      if (options !== NO_OPTIONS) bag(options, MEMBERS.sign);
      const { mechanism, flags } = signing(key, options);
      if (inPieces(message)) return this.#signPieces(key, message, read(options, MEMBERS.sign));
      const request = this.#request('sign', mechanism, flags, [this.#sealed(key)], [this.#copy(message)]);
      return this.#submit(request, options, firstPart);
    } catch (error) {
      return Promise.reject(unreadable(error));
    }
  }

  async #signPieces(key: SigningKey, pieces: Pieces, options: SignOptions): Promise<Bytes> {
    this.#mustBeOpen();
    reading(() => callOf(options));
    const whole = await wholeOf(key, pieces, options);
    return this.sign(key, whole.message, whole.options);
  }

  async signMany(key: SigningKey, messages: readonly Uint8Array[], options?: SignOptions): Promise<Bytes[]> {
    const { list, asked, cancellation } = reading(() => {
      const own = readOptions(options, MEMBERS.sign);
      return {
        list: listOf(messages, 'messages', SIGN_MANY_MAX),
        asked: own,
        cancellation: cancellationOf(own),
      };
    });
    return inWaves(list, this.#engine.wave, (wave) => {
      const left = cancellation.within(asked);
      return wave.map((message) => this.sign(key, message, left));
    });
  }

  verify(
    key: SigningKey,
    signature: Uint8Array,
    message: Uint8Array | Pieces,
    options: SignOptions = NO_OPTIONS,
  ): Promise<boolean> {
    try {
      if (options !== NO_OPTIONS) bag(options, MEMBERS.sign);
      const { mechanism, flags } = signing(key, options);
      if (inPieces(message)) {
        return this.#verifyPieces(key, this.#copy(signature), message, read(options, MEMBERS.sign));
      }
      const parts = [this.#copy(message), this.#copy(signature)];
      return this.#submit(this.#request('verify', mechanism, flags, [this.#sealed(key)], parts), options, verdict);
    } catch (error) {
      return Promise.reject(unreadable(error));
    }
  }

  async #verifyPieces(key: SigningKey, signature: Uint8Array, pieces: Pieces, options: SignOptions): Promise<boolean> {
    this.#mustBeOpen();
    reading(() => callOf(options));
    const whole = await wholeOf(key, pieces, options);
    return this.verify(key, signature, whole.message, whole.options);
  }

  // Encryption

  encrypt(key: AesKey, plaintext: Uint8Array, options?: EnvelopeOptions): Promise<Bytes>;
  encrypt(
    key: AesKey,
    plaintext: Uint8Array,
    options: GcmEncryptOptions | BlockModeEncryptOptions,
  ): Promise<{ iv: Bytes; ciphertext: Bytes }>;
  encrypt(
    key: AesCbcHmacKey,
    plaintext: Uint8Array,
    options: CbcHmacEncryptOptions,
  ): Promise<{ iv: Bytes; ciphertext: Bytes }>;
  encrypt(
    key: AesKey | AesCbcHmacKey,
    plaintext: Uint8Array,
    options: EnvelopeOptions | GcmEncryptOptions | BlockModeEncryptOptions | CbcHmacEncryptOptions = NO_OPTIONS,
  ): Promise<Bytes | { iv: Bytes; ciphertext: Bytes }> {
    try {
      const mechanism = cipher(object(options, 'options').mechanism);
      if (options !== NO_OPTIONS) bag(options, mechanism === 'envelope' ? MEMBERS.envelope : MEMBERS.cipher);
      const { aad, iv } = options as { aad?: Uint8Array; iv?: Uint8Array };
      const keys = [this.#sealed(key)];
      this.#mustHaveRoom(plaintext);
      const [ownAad, ownIv] = [this.#copyOf(aad), mechanism === 'envelope' ? NOTHING : ivCopy(iv)];
      // The secret last: whoever refuses the call from here on wipes it.
      const own = secretCopy(plaintext);
      const parts = mechanism === 'envelope' ? [own, ownAad] : [own, ownAad, ownIv];
      const request = this.#request('encrypt', mechanism, 0, keys, parts);
      if (mechanism === 'envelope') return this.#submit(request, options, firstPart, SECRET);
      return this.#submit(request, options, ivAndCiphertext, SECRET);
    } catch (error) {
      return Promise.reject(unreadable(error));
    }
  }

  decrypt(
    key: AesKey | AesCbcHmacKey,
    ciphertext: Uint8Array,
    options: EnvelopeOptions | GcmDecryptOptions | BlockModeDecryptOptions | CbcHmacDecryptOptions = NO_OPTIONS,
  ): Promise<Bytes> {
    try {
      const mechanism = cipher(object(options, 'options').mechanism);
      if (options !== NO_OPTIONS) bag(options, mechanism === 'envelope' ? MEMBERS.envelope : MEMBERS.cipher);
      const { aad, iv } = options as { aad?: Uint8Array; iv?: Uint8Array };
      const keys = [this.#sealed(key)];
      const own = this.#copy(ciphertext);
      const parts = mechanism === 'envelope' ? [own, this.#copyOf(aad)] : [own, this.#copyOf(aad), ivCopy(iv)];
      return this.#submit(this.#request('decrypt', mechanism, 0, keys, parts), options, firstPart);
    } catch (error) {
      return Promise.reject(unreadable(error));
    }
  }

  reencrypt(from: AesKey, envelope: Uint8Array, options: ReencryptOptions): Promise<Bytes> {
    return promised(() => {
      const own = read(options, MEMBERS.reencrypt);
      const { to, aad = NOTHING, toAad = aad } = own;
      const keys = [this.#sealed(from), this.#sealed(to)];
      const parts = [this.#copy(envelope), this.#copy(aad), this.#copy(toAad)];
      return this.#submit(this.#request('reencrypt', 'envelope', 0, keys, parts), own, firstPart);
    });
  }

  encryptStream(key: AesKey, options: StreamOptions = {}): TransformStream<Uint8Array, Bytes> {
    return reading(() => encryptingStream(this.#lane, this.#sender(key), read(options, MEMBERS.stream)));
  }

  decryptStream(key: AesKey, options: StreamOptions = {}): TransformStream<Uint8Array, Bytes> {
    return reading(() => decryptingStream(this.#lane, this.#sender(key), read(options, MEMBERS.stream)));
  }

  /** The key is looked up for each segment: a stream sees at once that it was changed or destroyed. */
  #sender(key: AesKey): Send {
    this.#mustBeOpen();
    this.#sealed(key);
    // A stream goes on in the login that it began in, as long as that is good.
    const id = this.#id;
    return async (op, flags, parts, options) => {
      const request = this.#request(op, 'none', flags, [this.#sealed(key)], parts);
      const own = id === this.#before?.id ? { ...request, ticket: this.#before.ticket } : request;
      return this.#submit(own, options, (result) => result.parts);
    };
  }

  generateDataKey(
    key: AesKey,
    options: CallOptions & AadOption & { readonly bytes: number },
  ): Promise<{ plaintext: Bytes; ciphertext: Bytes }> {
    return promised(() => {
      const own = read(options, MEMBERS.generateDataKey);
      const parts = [count(own.bytes, DATA_KEY_MAX), this.#copyOf(own.aad)];
      const request = this.#request('generateDataKey', 'envelope', 0, [this.#sealed(key)], parts);
      return this.#submit(request, own, dataKey);
    });
  }

  // Wrapping

  wrapKey(wrapping: AesKey, key: Key, options: WrapOptions): Promise<Bytes> {
    try {
      const { mechanism } = bag(options, MEMBERS.wrap);
      const keys = [this.#sealed(wrapping), this.#sealed(key)];
      return this.#submit(this.#request('wrapKey', mechanism, 0, keys, [wrapAad(options)]), options, firstPart);
    } catch (error) {
      return Promise.reject(unreadable(error));
    }
  }

  unwrapKey<const T extends PartialTemplate>(
    wrapping: AesKey,
    blob: Uint8Array,
    template: T,
    options: WrapOptions,
  ): Promise<KeyOf<T>> {
    return promised(() => {
      const sealed = this.#sealed(wrapping);
      const own = copy(blob);
      // As `read` would, at a tenth of its cost: licence servers unwrap at volume.
      const { mechanism, aad: given, signal, timeout } = bag(options as GcmWrapOptions, MEMBERS.wrap);
      const asked = { mechanism, aad: given, signal, timeout } as GcmWrapOptions;
      const aad = wrapAad(asked);
      const id = idIn(template);
      const unwrapping = (attributes: Uint8Array, issuer: readonly SealedKey[]) => {
        const parts = [id.bytes, attributes, own, aad];
        return this.#request('unwrapKey', asked.mechanism, 0, withIssuer(sealed, issuer), parts);
      };
      const above = { template: sealed.attributes.unwrapTemplate, unwrapping: true };
      return this.#make(template, id, false, asked, unwrapping, false, above);
    });
  }

  rewrapKeys(blobs: readonly Uint8Array[], options: RewrapToKeyOptions): Promise<Bytes[]>;
  rewrapKeys(blobs: readonly Uint8Array[], options: RewrapToJweOptions): Promise<string[]>;
  async rewrapKeys(
    blobs: readonly Uint8Array[],
    options: RewrapToKeyOptions | RewrapToJweOptions,
  ): Promise<Bytes[] | string[]> {
    const { jwe, request, call } = reading(() => {
      const from = this.#sealed(object(options, 'options').from);
      const asked = read(options, options.as === 'JWE' ? MEMBERS.rewrapToJwe : MEMBERS.rewrapToKey);
      const own = eachOf(listOf(blobs, 'blobs', BLOBS_MAX), copy);
      if (own.reduce((sum, { length }) => sum + length, 0) > BLOBS_SIZE_MAX) throw limitExceeded('blobsLimit');
      const to = recipient(checkedRecipient(asked.to));
      const headers = asked.as === 'JWE' ? packList(jweHeaders(asked.header, own.length)) : NOTHING;
      const keys = to.key === undefined ? [from] : [from, this.#sealed(to.key)];
      const parts = [packList(own), to.point, to.proof, headers];
      const request = this.#request('rewrapKeys', asked.mechanism, wrapAs(asked.as), keys, parts);
      return { jwe: asked.as === 'JWE', request, call: asked };
    });
    const out = await this.#submit(request, call, firstPart);
    const items = readList(out).map(({ offset, length }) => out.slice(offset, offset + length));
    return jwe ? items.map((item) => new TextDecoder().decode(item)) : items;
  }

  deriveKey<const T extends PartialTemplate>(base: BaseKey, options: DeriveOptions, template: T): Promise<KeyOf<T>> {
    return promised(() => {
      const sealed = this.#sealed(base);
      object(options, 'options');
      const own = read(options, options.mechanism === 'ECDH' ? MEMBERS.agree : MEMBERS.derive);
      const kdf = read(own.kdf, MEMBERS.kdf, 'a kdf');
      const curve = base.type === 'EC' ? base.curve : undefined;
      const peer = own.mechanism === 'ECDH' ? pointOn(curve, own.publicKey) : NOTHING;
      const { name, fields, flags } = kdfOf(kdf);
      const id = idIn(template);
      const deriving = (attributes: Uint8Array, issuer: readonly SealedKey[]) => {
        const parts = [id.bytes, attributes, peer, Uint8Array.of(name), fields];
        return this.#request('deriveKey', own.mechanism, flags, withIssuer(sealed, issuer), parts);
      };
      const above = { template: mostDerived(sealed.attributes, kdf), unwrapping: false };
      return this.#make(template, id, false, own, deriving, false, above);
    });
  }

  random(bytes: number, options?: CallOptions): Promise<Bytes> {
    return promised(() => {
      const call = readOptions(options, MEMBERS.call);
      return this.#submit(this.#request('random', 'none', 0, [], [count(bytes, RANDOM_MAX)]), call, firstPart);
    });
  }

  // Users

  async createUser(user: NewUser, options?: CallOptions): Promise<UserInfo> {
    const { own, cancellation } = reading(() => {
      const { password, wipe } = object(user, 'a user');
      return wipedIfRefused([password], wipe, () => {
        flag(wipe, 'wipe', false);
        const asked = { ...read(user, MEMBERS.createUser, 'a user'), password };
        return { own: asked, cancellation: cancellationOf(readOptions(options, MEMBERS.call)) };
      });
    });
    return cancellation.wait(this.#createUser(own, cancellation));
  }

  async #createUser({ name, role, password, wipe }: NewUser, cancellation: Cancellation): Promise<UserInfo> {
    const secrets = { passwords: [password], wipe };
    const answer = await this.#engine.askWithSecrets('createUser', this.#turn, secrets, cancellation, ([ref]) => {
      nameOf(name);
      this.#mustBeOpen();
      if (role !== 'admin' && role !== 'crypto-user') throw invalid('a role is admin or crypto-user');
      if (this.#engine.users.has(name)) throw new HsmError('KEYCELL_USER_CONFLICT');
      return { ticket: this.#ticket, name, role, password: ref! };
    });
    const entry = userEntryOf(answer.user);
    return this.#withNewName(name, async () => {
      await this.#commit({ key: userName(entry.id), record: entry.record, before: null });
      // Not before it is on the disk: nobody logs in by a record that might never be written.
      this.#engine.users.set(name, entry);
      return infoOf(entry);
    });
  }

  /** The name is nobody's, and this call's alone while it runs. */
  async #withNewName<T>(name: string, make: () => Promise<T>): Promise<T> {
    const { users, comingUsers } = this.#engine;
    if (comingUsers.has(name)) throw new HsmError('KEYCELL_USER_CONFLICT');
    comingUsers.add(name);
    try {
      await this.#engine.known();
      if (users.has(name)) throw new HsmError('KEYCELL_USER_CONFLICT');
      return await make();
    } finally {
      comingUsers.delete(name);
    }
  }

  async removeUser(name: string, options?: CallOptions): Promise<void> {
    const cancellation = reading(() => cancellationOf(readOptions(options, MEMBERS.call)));
    const entry = this.#userNamed(name);
    cancellation.begin();
    await cancellation.wait(this.#removeUser(entry));
  }

  async #removeUser(entry: UserEntry): Promise<void> {
    await this.#asking(() => this.#engine.ask('removeUser', { ticket: this.#ticket, user: entry.record }));
    await this.#commit({ key: userName(entry.id), record: null, before: entry.record });
    this.#engine.users.delete(entry.name);
    this.#engine.forgetUser(entry.id);
  }

  async setPassword(
    name: string,
    password: Password,
    options: CallOptions & { readonly oldPassword?: Password; readonly wipe?: boolean } = {},
  ): Promise<void> {
    const { secrets, cancellation } = reading(() => {
      const { oldPassword, wipe } = object(options, 'options');
      const passwords = oldPassword === undefined ? [password] : [password, oldPassword];
      return wipedIfRefused(passwords, wipe, () => {
        flag(wipe, 'wipe', false);
        return { secrets: { passwords, wipe }, cancellation: cancellationOf(read(options, MEMBERS.setPassword)) };
      });
    });
    await cancellation.wait(this.#setPassword(name, secrets, cancellation));
  }

  async #setPassword(
    name: string,
    secrets: { readonly passwords: readonly Password[]; readonly wipe: boolean | undefined },
    cancellation: Cancellation,
  ): Promise<void> {
    let entry!: UserEntry;
    const asking = this.#engine.askWithSecrets('setPassword', this.#turn, secrets, cancellation, ([ref, old]) => {
      entry = this.#userNamed(name);
      const asked = { ticket: this.#ticket, user: entry.record, password: ref! };
      return old === undefined ? asked : { ...asked, oldPassword: old };
    });
    const { user } = await asking;
    await this.#changeUser(entry, user);
  }

  lockUser(name: string, options?: CallOptions): Promise<void> {
    return this.#setLock(name, true, options);
  }

  unlockUser(name: string, options?: CallOptions): Promise<void> {
    return this.#setLock(name, false, options);
  }

  async #setLock(name: string, locked: boolean, options: CallOptions | undefined): Promise<void> {
    const cancellation = reading(() => cancellationOf(readOptions(options, MEMBERS.call)));
    const entry = this.#userNamed(name);
    cancellation.begin();
    await cancellation.wait(this.#lock(entry, locked));
  }

  async #lock(entry: UserEntry, locked: boolean): Promise<void> {
    const asked = { ticket: this.#ticket, user: entry.record, locked };
    const { user } = await this.#asking(() => this.#engine.ask('lockUser', asked));
    await this.#changeUser(entry, user);
  }

  async #changeUser(before: UserEntry, record: Uint8Array): Promise<void> {
    await this.#commit({ key: userName(before.id), record, before: before.record });
    this.#engine.users.set(before.name, userEntryOf(record));
  }

  /** Of this session, whoever else floods the line with its user's name. */
  get #turn(): Turn {
    return { caller: this.user.role, name: `session ${this.id}` };
  }

  async listUsers(options?: CallOptions): Promise<UserInfo[]> {
    const call = reading(() => readOptions(options, MEMBERS.call));
    this.#mustBeOpen();
    const cancellation = reading(() => cancellationOf(call));
    cancellation.begin();
    const ask = { ticket: this.#ticket, role: 'admin' } as const;
    await cancellation.wait(this.#asking(() => this.#engine.ask('authorize', ask)));
    return [...this.#engine.users.values()].map(infoOf);
  }

  /** Only so many at once, among the requests that the user has waiting; throws BUSY. A refusal by the warden takes its time as an answer does. */
  async #asking<T>(call: () => Promise<T>): Promise<T> {
    this.#engine.mustHaveShare(this.#caller);
    if (this.#asked === WARDEN_CALLS_MAX) throw busyError('this session has all its calls about users under way');
    this.#asked++;
    try {
      return await this.#caller.waitFor(call());
    } finally {
      this.#asked--;
    }
  }

  #userNamed(name: string): UserEntry {
    this.#mustBeOpen();
    const entry = this.#engine.users.get(name);
    if (entry === undefined) throw new HsmError('KEYCELL_USER_NOT_FOUND');
    return entry;
  }
}

/**
 * What the cell allows at most, to take from there what a template leaves out. Where that is nothing, any key will do to ask
 * for: refusing it, and logging that, is the cell's.
 */
function mostDerived(base: KeyAttributes, kdf: Kdf): Template | null {
  try {
    return derivedBy(base, { kdf: kdf.name, algorithm: kdf.name === 'concat' ? kdf.algorithm : '' });
  } catch {
    return ANY_KEY;
  }
}
/** What is neither a key nor one of the bags is refused where it is read. */
function checkedRecipient(to: Recipient): Recipient {
  if (typeof to !== 'object' || to === null || 'type' in to) return to;
  return bag(to, 'jwk' in to ? MEMBERS.jwkRecipient : MEMBERS.spkiRecipient, 'a recipient');
}

const ANY_KEY: Template = { ...CONTENT_KEY, bits: 256 };

/** A secret that a call waits for; where the call is over before it comes, it is wiped when it does. */
async function orWiped(
  cancellation: Cancellation,
  taking: Promise<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await cancellation.wait(taking);
  } catch (error) {
    taking.then((late) => late.fill(0)).catch(() => {});
    throw error;
  }
}

/** The id that a template asks for, read once, and the same as the cell takes it. */
interface NamedId {
  readonly id: string | undefined;
  readonly bytes: Uint8Array;
}

function idIn(template: KeyTemplate | PartialTemplate): NamedId {
  const { id } = object(template, 'a template');
  return id === undefined ? NO_ID : { id, bytes: idOf(id) };
}
const NO_ID: NamedId = { id: undefined, bytes: NOTHING };

const NO_KEYS: readonly SealedKey[] = [];
const withIssuer = (key: SealedKey, issuer: readonly SealedKey[]): readonly SealedKey[] =>
  issuer.length === 0 ? [key] : [key, ...issuer];

/** What a handle says of the key that its holder looked at. A caller can make one, of whatever types. */
interface Seen {
  readonly id: string;
  readonly persistent: unknown;
  readonly createdAt: number | undefined;
  readonly checkValue: unknown;
  readonly publicKey: Uint8Array | undefined;
}

function seenOf(key: Key): Seen {
  const { id, persistent, createdAt, checkValue, publicKey } = object<unknown>(key, 'a key') as Readonly<
    Record<string, unknown>
  >;
  return {
    id: id as string,
    persistent,
    createdAt: isDate(createdAt) ? timeOf(createdAt) : undefined,
    checkValue,
    publicKey: isBytes(publicKey) ? new Uint8Array(viewOf(publicKey)) : undefined,
  };
}

/** An owner can destroy a key and make another of the same id: a mark is for the one that the officer looked at. */
function isTheSame(seen: Seen, { attributes: { type, createdAt, checkValue, point } }: KeyEntry): boolean {
  if (seen.createdAt !== createdAt) return false;
  if (type === 'AES') return seen.checkValue === toHex(checkValue);
  if (point === null || seen.publicKey === undefined) return false;
  return sameBytes(seen.publicKey.subarray(-point.length), point);
}

const CHANGES = ['label', 'extractable', 'destroyable', 'wrapWithTrusted', 'trusted', 'acceptImported'];

/** A copy. What is not named here the cell would leave as it is, and the caller believe changed. */
function changesOf(changes: KeyChanges): KeyChanges {
  const own = { ...object(changes, 'a change') };
  for (const [name, value] of Object.entries(own)) {
    if (!CHANGES.includes(name)) throw invalid(`${name} cannot be changed`);
    if (name === 'label') labelOf(value);
    else if (name !== 'extractable' && typeof value !== 'boolean') throw invalid(`${name} is true or false`);
  }
  return own;
}

const ivCopy = (iv: Uint8Array | undefined): Uint8Array => boundedCopy(iv, IV_MAX, 'ivLimit');

function count(bytes: number, max: number): Uint8Array {
  return new FieldWriter(4).u32(whole(bytes, 'bytes', 1, max)).bytes;
}

const NO_OPTIONS: CallOptions = Object.freeze({});

const firstPart = ({ parts }: CellResult): Bytes => parts[0]!;
const verdict = ({ parts }: CellResult): boolean => parts[0]![0] === 1;
const dataKey = ({ parts }: CellResult): { plaintext: Bytes; ciphertext: Bytes } => ({
  plaintext: parts[0]!,
  ciphertext: parts[1]!,
});
const ivAndCiphertext = ({ parts }: CellResult): { iv: Bytes; ciphertext: Bytes } => ({
  iv: parts[0]!,
  ciphertext: parts[1]!,
});

/** Many calls without filling the queue: a wave at a time, in order. */
async function inWaves<A, B>(
  items: readonly A[],
  wave: number,
  call: (wave: readonly A[]) => readonly Promise<B>[],
): Promise<B[]> {
  const results: B[] = [];
  for (let from = 0; from < items.length; from += wave) {
    const calls = call(items.slice(from, from + wave));
    try {
      results.push(...(await Promise.all(calls)));
    } catch {
      throw await firstFailure(calls, from);
    }
  }
  return results;
}

/** What may be one item's fault; anything else is the call's. */
const OF_AN_ITEM: readonly HsmErrorCode[] = ['KEYCELL_INPUT_INVALID', 'KEYCELL_LIMIT_EXCEEDED'];

/** The first in the list, whichever failed first; none of them is under way any more. */
async function firstFailure(calls: readonly Promise<unknown>[], from: number): Promise<unknown> {
  const settled = await Promise.allSettled(calls);
  const index = settled.findIndex(({ status }) => status === 'rejected');
  const { reason } = settled[index] as PromiseRejectedResult;
  return reason instanceof HsmError && OF_AN_ITEM.includes(reason.code) ? atIndex(reason, from + index) : reason;
}
