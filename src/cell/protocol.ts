/**
 * The messages between a cell or the warden and the thread that started it. A batch travels as the bare number of its
 * place; everything else is an object of fixed shape. No secret is ever in one of these.
 */
import type { MessagePort } from 'node:worker_threads';

/** What a cell's one task is started with. */
export interface CellStart {
  readonly cell: number;
  /** The core, and the digest that it must have. */
  readonly core: Uint8Array;
  readonly digest: string;
  /** Batches and control. */
  readonly port: MessagePort;
  /** In shared memory. */
  readonly places: readonly Uint8Array[];
  /** A BigUint64 that the cell raises by one with each entry that it makes: how the warden counts. */
  readonly counter: SharedArrayBuffer;
  /** An Int32 that rises by one with each batch that was sent: doorbell.ts. */
  readonly bell: SharedArrayBuffer;
}

/** To a cell. A number: a batch lies in this place. */
export type ToCell =
  | number
  | { readonly type: 'provision'; readonly port: MessagePort }
  /** A new warden asks for the master key that the old one gave. */
  | { readonly type: 'give'; readonly port: MessagePort }
  | { readonly type: 'seal' }
  | { readonly type: 'drain' };

/** From a cell. A number: the reply lies in this place. */
export type FromCell =
  | number
  | { readonly type: 'ready' }
  | { readonly type: 'provisioned' }
  | { readonly type: 'sealed' }
  | { readonly type: 'drained' }
  /** One of the cell's own invariants failed, and it has wiped itself: nothing of this HSM may be served any more. */
  | { readonly type: 'broken'; readonly reason: string };
