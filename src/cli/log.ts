/** With --verbose, what the tool does, as JSON lines on stderr; otherwise nothing, and pino is not loaded. */
import type { Hsm } from '../model/hsm.ts';

export interface Log {
  debug(fields: object, text: string): void;
  debug(text: string): void;
}

const SILENT: Log = { debug: () => {} };

export async function openLog(verbose: boolean): Promise<Log> {
  if (!verbose) return SILENT;
  const { default: pino } = await import('pino');
  const log: Log = pino({ name: 'keycell', level: 'debug', base: null }, pino.destination({ dest: 2, sync: true }));
  return log;
}

/** What the HSM reports of itself. */
export function followHsm(hsm: Hsm, log: Log): void {
  log.debug({ hsm: hsm.id, state: hsm.state }, 'open');
  hsm.on('state', (state) => log.debug({ state }, 'state'));
  hsm.on('slow-batch', (batch) => log.debug(batch, 'a batch takes long'));
  hsm.on('cell-restart', ({ cell, error, retried }) => log.debug({ cell, error, retried }, 'cell restarted'));
  hsm.on('warden-restart', ({ error }) => log.debug({ error }, 'warden restarted'));
  hsm.on('record-corrupt', ({ id }) => log.debug({ id }, 'record not authentic'));
  hsm.on('audit-unavailable', ({ error }) => log.debug({ error }, 'log not writable'));
  hsm.on('fatal', ({ error }) => log.debug({ error }, 'tampered'));
}
