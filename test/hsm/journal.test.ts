/** The journal over a log that fails in steps: what is written is written once, and a log that is gone is told as such. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { memoryAuditLog } from '../../src/audit/memory.ts';
import { HsmError } from '../../src/errors.ts';
import { Journal } from '../../src/hsm/journal.ts';
import { BOARD_SIZE, Board } from '../../src/wire/board.ts';

function journal() {
  const log = memoryAuditLog();
  const bodies: string[] = [];
  const fault: { append?: Error; sync?: Error; place?: Error } = {};
  const faulty = {
    ...log,
    get head() {
      return log.head;
    },
    appendNow: () => false,
    append: async (more: readonly string[]) => {
      if (fault.append) throw fault.append;
      bodies.push(...more);
      return log.append(more);
    },
    sync: async () => {
      if (fault.sync) throw fault.sync;
    },
    verifyPlace: async () => {
      if (fault.place) throw fault.place;
    },
  };
  const told: string[] = [];
  const kept = new Journal(faulty, new Board(new SharedArrayBuffer(BOARD_SIZE)), {
    onUnavailable: (error) => told.push(error instanceof HsmError ? error.code : error.message),
    onAvailable: () => told.push('available'),
  });
  onTestFinished(() => kept.close());
  return { kept, bodies, fault, told };
}

test('a flush that fails after the entries were written does not have them written twice', async () => {
  const { kept, bodies, fault, told } = journal();
  fault.append = new Error('full');
  await expect(kept.append(['{"n":1}', '{"n":2}'])).rejects.toMatchObject({ code: 'KEYCELL_AUDIT_UNAVAILABLE' });
  delete fault.append;
  fault.sync = new Error('EIO');
  await vi.waitUntil(() => bodies.length > 0, { timeout: 10_000 });
  await vi.waitUntil(() => kept.backlog === 0, { timeout: 10_000 });
  expect(kept.refusal?.code).toBe('KEYCELL_AUDIT_UNAVAILABLE');
  delete fault.sync;
  await vi.waitUntil(() => told.includes('available'), { timeout: 10_000 });
  expect(bodies).toEqual(['{"n":1}', '{"n":2}']);
  expect([kept.refusal, told]).toEqual([undefined, ['full', 'available']]);
});

test('a log that goes while it is full is told as gone, too', async () => {
  const { kept, fault, told } = journal();
  fault.append = new Error('full');
  await expect(kept.append(['{"n":1}'])).rejects.toThrow();
  expect(kept.isLost).toBe(false);
  fault.place = new HsmError('KEYCELL_AUDIT_MISSING', undefined, { lossId: `0-${'0'.repeat(64)}` });
  await vi.waitUntil(() => told.length === 2, { timeout: 10_000 });
  expect([told, kept.isLost, kept.refusal?.code]).toEqual([
    ['full', 'KEYCELL_AUDIT_MISSING'],
    true,
    'KEYCELL_AUDIT_MISSING',
  ]);
});
