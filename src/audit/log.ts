/**
 * The log's interface: an append-only chain of entries whose bodies are made elsewhere.
 *
 * A body is the text of one JSON object, made by a cell or the warden, with its own MAC in it. The log
 * adds what only the log knows: the place (`seq`, from 1, without gaps) and the chain (`hash`).
 */
import { createHash, hash as hashOnce } from 'node:crypto';
import { HsmError } from '../errors.ts';

/** A place in the log: how many entries it has, and the hash that stands for all of them (64 hex digits). */
export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

export interface AuditLog {
  /** What is known to be written. */
  readonly head: AuditHead;
  /** What a crash had left unfinished at the end of the file and opening cut off or completed; otherwise undefined. */
  readonly recovered:
    | { readonly offset: number; readonly bytes: number; readonly action: 'cut' | 'completed' }
    | undefined;

  /**
   * Append entries in order; resolves with the head behind them when they are written (write(2)).
   * One write is under way at a time, what comes meanwhile goes into the next. All bodies of one call are
   * appended or none. Throws KEYCELL_INPUT_INVALID, KEYCELL_CLOSING, or KEYCELL_AUDIT_UNAVAILABLE, after
   * which `outcome` is 'not-executed' if the file is known to be as it was.
   */
  append(bodies: readonly string[]): Promise<AuditHead>;

  /**
   * Append one entry at once: true when it is written. False where that would not be right now, with nothing
   * appended: `append` is the way then, and tells what is wrong.
   */
  appendNow(body: string): boolean;

  /**
   * Resolves when everything appended so far is on the disk, in the file that the next opening will find; concurrent calls
   * share a flush. Throws AUDIT_UNAVAILABLE, and what `verifyPlace` throws.
   */
  sync(): Promise<void>;

  /**
   * Look whether what was written still lies where it was. For logs that others can reach. Throws KEYCELL_AUDIT_MISSING where
   * the file was deleted or renamed, KEYCELL_AUDIT_CORRUPT where another is in its place, or it was cut or overwritten;
   * KEYCELL_AUDIT_UNAVAILABLE where that can't be seen.
   */
  verifyPlace?(): Promise<void>;

  /** Put a log that was begun afresh in the place of the one that is given up, which is kept under another name. */
  takePlace?(): Promise<void>;

  /** Write and flush what was appended, refuse more, and let go of the file. May be called twice. */
  close(): Promise<void>;
}

/** Where the chain begins. */
export const EMPTY_HEAD: AuditHead = Object.freeze({ seq: 0, hash: '0'.repeat(64) });

/** The longest body: a reader can hold a line in memory whatever somebody wrote into the file. */
export const MAX_BODY_BYTES = 1024 * 1024;

const DOMAIN = 'keycell/audit-chain/1\n';

/**
 * The hash of entry `seq`: SHA-256(domain ‖ previous hash ‖ LF ‖ seq ‖ LF ‖ body), in hex.
 * No two different inputs make the same bytes: the previous hash has 64 digits, seq has no LF in it.
 */
export function chainHash(previous: string, seq: number, body: string | Uint8Array): string {
  const prefix = `${DOMAIN}${previous}\n${seq}\n`;
  if (typeof body === 'string') return hashOnce('sha256', prefix + body);
  return createHash('sha256').update(prefix).update(body).digest('hex');
}

/** Can `body` stand in a line of its own? What the JSON says is its maker's affair; a line break alone would break the file. */
export function isBody(body: string): boolean {
  const whole = typeof body === 'string' && body.startsWith('{') && body.endsWith('}') && !body.includes('\n');
  // A UTF-16 unit takes three bytes at most.
  return whole && (3 * body.length <= MAX_BODY_BYTES || Buffer.byteLength(body) <= MAX_BODY_BYTES);
}

/** Throw KEYCELL_INPUT_INVALID unless `body` can stand in a line of its own. */
export function checkBody(body: string): void {
  if (!isBody(body)) {
    throw new HsmError('KEYCELL_INPUT_INVALID', 'An audit body must be one JSON object on one line, of at most 1 MiB.');
  }
}
