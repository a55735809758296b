/** The channels of node:diagnostics_channel: every event, and every batch, for whoever subscribes anywhere in the process. */
import { type Channel, channel } from 'node:diagnostics_channel';
import type { BatchReport, Hsm, HsmChannels, HsmEvents, SlowBatch } from '../model/hsm.ts';
import type { BatchObserver } from '../pool/pool.ts';

const open = (name: keyof HsmChannels): Channel => channel(name);

const BATCH = open('keycell:batch');
const EVENTS: Record<keyof HsmEvents, Channel> = {
  state: open('keycell:state'),
  'cell-restart': open('keycell:cell-restart'),
  'warden-restart': open('keycell:warden-restart'),
  'slow-batch': open('keycell:slow-batch'),
  'record-corrupt': open('keycell:record-corrupt'),
  fatal: open('keycell:fatal'),
  'audit-unavailable': open('keycell:audit-unavailable'),
  'audit-available': open('keycell:audit-available'),
  'store-unavailable': open('keycell:store-unavailable'),
  'store-available': open('keycell:store-available'),
};

export function publish<E extends keyof HsmEvents>(hsm: Hsm, event: E, [message]: HsmEvents[E]): void {
  if (!EVENTS[event].hasSubscribers) return;
  EVENTS[event].publish(typeof message === 'string' ? { hsm, [event]: message } : { hsm, ...message });
}

export const batchObserver = (hsm: Hsm, slow: (batch: SlowBatch) => void): BatchObserver => ({
  slow,
  get wanted(): boolean {
    return BATCH.hasSubscribers;
  },
  ended: (report: BatchReport): void => BATCH.publish({ hsm, ...report }),
});
