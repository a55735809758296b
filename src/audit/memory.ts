/** A log for ephemeral HSMs: the same chain, of which only the head is kept. */
import { HsmError } from '../errors.ts';
import { type AuditHead, type AuditLog, chainHash, checkBody, EMPTY_HEAD, isBody } from './log.ts';

/** A log that forgets its entries and remembers their chain. */
export function memoryAuditLog(): AuditLog {
  let head: AuditHead = EMPTY_HEAD;
  let closed = false;
  const extend = (body: string): void => {
    const seq = head.seq + 1;
    head = { seq, hash: chainHash(head.hash, seq, body) };
  };
  const assertOpen = () => {
    if (closed) throw new HsmError('KEYCELL_CLOSING', 'The audit log is closed; open the HSM again.');
  };
  return {
    get head() {
      return head;
    },
    recovered: undefined,
    async append(bodies) {
      assertOpen();
      for (const body of bodies) checkBody(body);
      for (const body of bodies) extend(body);
      return head;
    },
    appendNow(body) {
      if (closed || !isBody(body)) return false;
      extend(body);
      return true;
    },
    async sync() {
      assertOpen();
    },
    async close() {
      closed = true;
    },
  };
}
