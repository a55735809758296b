/** What a session needs of its HSM: the way to the cells, the warden and the store. */

import type { SecretRef, WardenCall, WardenCalls } from '../cell/warden/protocol.ts';
import type { Password } from '../model/hsm.ts';
import type { Caller, Finish, PoolRequest, SubmitOptions } from '../pool/pool.ts';
import type { CellResult } from '../wire/batch.ts';
import type { Cancellation } from './cancellation.ts';
import type { Change } from './commits.ts';
import type { KeyIndex } from './keys.ts';
import type { Lane } from './lane.ts';
import type { Turn } from './login-line.ts';

/** A user as the store holds them. */
export interface UserEntry {
  readonly id: string;
  readonly name: string;
  readonly role: 'admin' | 'crypto-user';
  readonly createdAt: number;
  readonly locked: boolean;
  readonly record: Uint8Array;
}

export interface Engine {
  readonly keys: KeyIndex;
  readonly users: Map<string, UserEntry>;
  /** Names of users who are being made. */
  readonly comingUsers: Set<string>;
  /** Throws the HsmError that says why not. */
  mustBeReady(): void;
  /** Throws the HsmError of a refusal; otherwise a result of status 0. */
  submit<T = CellResult>(request: PoolRequest, options: SubmitOptions, finish?: Finish<T>): Promise<T>;
  /** Ask the warden; its entries are on the disk when this resolves. */
  ask<C extends WardenCall>(call: C, ask: WardenCalls[C]['ask']): Promise<WardenCalls[C]['answer']>;
  /**
   * The same for a call with passwords, in its turn: they are copied, the copies wiped, and where the line is full (BUSY)
   * nothing is copied at all. `wipe` overwrites the caller's arrays, whatever becomes of the call.
   */
  askWithSecrets<C extends WardenCall>(
    call: C,
    turn: Turn,
    secrets: { readonly passwords: readonly Password[]; readonly wipe: boolean | undefined },
    cancellation: Cancellation,
    ask: (refs: readonly SecretRef[]) => WardenCalls[C]['ask'] | Promise<WardenCalls[C]['ask']>,
  ): Promise<WardenCalls[C]['answer']>;
  commit(change: Change): Promise<void>;
  /** What `Commits.known` says. */
  known(): Promise<void> | undefined;
  /** A moment of the warden's time by this machine's wall clock, which may have been set since. */
  wallTime(wardenTime: number): number;
  /** How many requests one call may have in flight without filling the queue for others. */
  readonly wave: number;
  /** A new session of this user, as the pool knows it. */
  caller(user: string): Caller;
  /** Throws BUSY where this caller's user has as many requests waiting as one user may have. */
  mustHaveShare(caller: Caller): void;
  /** Throws where a request with so many bytes would be refused: for who has not copied them yet. */
  mustHaveRoom(caller: Caller, size: number): void;
  /** A way of segments of streams, for one session. */
  newLane(): Lane;
  /** The user is no more. */
  forgetUser(id: string): void;
}

export const keyName = (id: string): string => `key/${id}`;
export const userName = (id: string): string => `user/${id}`;
