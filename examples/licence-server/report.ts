/** What the demo found, and how it is put on one screen: every line with what it means. */
import type { LogCheck } from './log-check.ts';
import type { MemorySearch } from './memory-search.ts';
import type { Attempt } from './thief.ts';

export type Variant = 'keycell' | 'node';

export interface Refused {
  readonly entitlement: string;
  readonly status: number;
  readonly body: string;
}

export interface Speed {
  readonly keys: number;
  readonly requests: number;
  readonly failed: number;
  readonly perSecond: number;
  /** Processor time of the server process for one licence, all threads, in milliseconds. */
  readonly cpuMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Report {
  readonly quick: boolean;
  readonly seconds: number;
  readonly cores: number;
  readonly titles: number;
  readonly contentKeys: number;
  readonly run: {
    readonly requests: number;
    readonly concurrency: number;
    readonly failed: number;
    readonly failures: readonly string[];
    readonly keysOpened: number;
    readonly samplesDecrypted: number;
    /** By how many licence keys the licences were signed: two, as the key is replaced in mid-run. */
    readonly licenceKeys: number;
    readonly seconds: number;
  };
  readonly rotation: { readonly startedAt: number; readonly endedAt: number; readonly publishedKeys: number };
  readonly killedCell: { readonly at: number; readonly restarts: number };
  readonly refused: Readonly<Record<Variant, readonly Refused[]>>;
  readonly memory: Readonly<Record<Variant, MemoryResult>>;
  readonly thief: readonly Attempt[];
  readonly log: LogCheck;
  readonly speed: Readonly<Record<Variant, readonly Speed[]>>;
}

export type MemoryResult =
  | { readonly available: false; readonly reason: string }
  | {
      readonly available: true;
      readonly copies: number;
      readonly keysFound: number;
      readonly keysSearched: number;
      /** How often the bytes were found that the server holds on purpose: 0 would mean that the search is blind. */
      readonly canary: number;
      readonly bytesRead: number;
    };

/** The last needle is the canary. */
export function memoryResult(search: MemorySearch): MemoryResult {
  if (!search.available) return search;
  const copies = search.copies.slice(0, -1);
  return {
    available: true,
    copies: copies.reduce((sum, count) => sum + count, 0),
    keysFound: copies.filter((count) => count > 0).length,
    keysSearched: copies.length,
    canary: search.copies.at(-1)!,
    bytesRead: search.bytesRead,
  };
}

/** What is not as it should be, in words; nothing if all is well. Speed is reported, not judged. */
export function complaints(report: Report): string[] {
  const { run, rotation, killedCell, refused, memory, thief, log, speed } = report;
  const found: string[] = [];
  const expect = (right: boolean, complaint: string) => right || found.push(complaint);

  expect(run.failed === 0, `${run.failed} requests failed: ${run.failures.join('; ')}`);
  expect(run.samplesDecrypted === run.keysOpened && run.keysOpened > 0, 'not every key was tried on its sample');
  expect(run.licenceKeys === 2, `the licences were signed by ${run.licenceKeys} keys, not by the old and the new one`);
  expect(rotation.endedAt < run.requests, 'the rotation ended after the last request: it was not tried while serving');
  expect(killedCell.restarts > 0, 'no cell was killed');
  for (const { entitlement, status, body } of [...refused.keycell, ...refused.node]) {
    expect(status === 403, `a ${entitlement} entitlement was answered ${status} ${body}`);
  }
  for (const result of Object.values(memory)) {
    expect(!result.available || result.canary > 0, "the memory search did not find what it must find: it can't see");
  }
  expect(!memory.keycell.available || memory.keycell.copies === 0, 'content keys lie in the memory of the server');
  for (const { attempt, refused } of thief) expect(refused !== undefined, `the thief could ${attempt}`);
  expect(log.named?.seq === log.alteredEntry, `entry ${log.alteredEntry} of the log was altered, and is not named`);
  for (const { failed } of [...speed.keycell, ...speed.node])
    expect(failed === 0, `${failed} measured requests failed`);
  return found;
}

export function screen(report: Report): string {
  const { run, rotation, killedCell, refused, memory, thief, log, speed } = report;
  const lines = [
    '',
    `Keycell: a licence server${report.quick ? ', in quick (counts too small to compare speeds)' : ''}`,
    '',
    row('Catalogue', `${n(report.titles)} titles, ${n(report.contentKeys)} content keys`),
    why('made in the HSM, kept outside as AES-KW blobs: worthless without its key-encryption key'),
    row('Served', `${n(run.requests)} licences, ${run.concurrency} at a time: requests failed: ${run.failed}`),
    why('a player without a line of ours verified every signature, opened every key and decrypted'),
    why(`${n(run.samplesDecrypted)} samples, byte for byte what node:crypto had encrypted`),
    row(
      'Rotated',
      `both keys, from licence ${n(rotation.startedAt)} to ${n(rotation.endedAt)}: requests failed: ${run.failed}`,
    ),
    why(
      `the player saw licences by ${count(run.licenceKeys, 'key')}; public keys published now: ${rotation.publishedKeys}`,
    ),
    row('Killed', `a cell, at licence ${n(killedCell.at)}: requests failed: ${run.failed}`),
    why('its work was done again by the cell that took its place'),
    row('Refused', refused.keycell.map(({ entitlement, status }) => `${entitlement} ${status}`).join(', ')),
    why('entitlements: signature, device, keys and expiry are checked in the cell, as it re-wraps'),
    row('Memory', `Keycell      ${memoryText(memory.keycell)}`),
    row('', `node:crypto  ${memoryText(memory.node)}`),
    why('all that each server process has in memory, searched after the run. The baseline wipes its own'),
    why(`buffers; Node keeps copies. ${canaryText(memory)}`),
    ...thief.map(({ attempt, refused }, k) => row(k === 0 ? 'Thief' : '', `${attempt}: ${refused ?? 'THEY COULD'}`)),
    why("they have the service's session, its database and one title that they paid for, and get that one:"),
    why('the cell applies policy, whoever asks'),
    row('Log', logText(log)),
    why(
      `in a copy of ${n(log.entries)} good entries, after one bit of a byte in entry ${n(log.alteredEntry)} was flipped`,
    ),
    '',
    table(['Speed', 'licences/s', 'CPU each', 'p50', 'p99']),
    ...speed.keycell.flatMap((ours, k) => [
      speedRow(`Keycell, ${count(ours.keys, 'key')}`, ours),
      speedRow(`node:crypto, ${count(ours.keys, 'key')}`, speed.node[k]!),
    ]),
    why(`in turns on the same ${count(report.cores, 'core')}, shared with the player. CPU: the server process alone;`),
    why(`work in cells costs ${ratios(report)} as much as in node:crypto, with 1 and 4 keys`),
    '',
    `All of it took ${report.seconds.toFixed(0)} s.`,
  ];
  return lines.join('\n');
}

const n = (value: number): string => value.toLocaleString('en').replaceAll(',', ' ');
const count = (value: number, noun: string): string => `${n(value)} ${noun}${value === 1 ? '' : 's'}`;
const row = (name: string, text: string): string => `${name.padEnd(11)}${text}`;
const why = (text: string): string => `${' '.repeat(11)}${text}`;
const table = ([first, ...rest]: string[]): string =>
  first!.padEnd(26) + rest.map((cell) => cell.padStart(12)).join('');
const ms = (value: number): string => `${value.toFixed(2)} ms`;
const speedRow = (name: string, { perSecond, cpuMs, p50Ms, p99Ms }: Speed): string =>
  table([`  ${name}`, perSecond.toFixed(0), ms(cpuMs), ms(p50Ms), ms(p99Ms)]);

const ratios = ({ speed }: Report): string =>
  `${speed.keycell.map(({ cpuMs }, k) => (cpuMs / speed.node[k]!.cpuMs).toFixed(1)).join(' and ')} times`;

const memoryText = (result: MemoryResult): string =>
  result.available
    ? `copies found: ${n(result.copies)} (${found(result)} content keys), in ${megabytes(result.bytesRead)}`
    : `not searched: ${result.reason}`;
const found = ({ keysFound, keysSearched }: { keysFound: number; keysSearched: number }): string =>
  `${keysFound === 0 ? 'none' : n(keysFound)} of the ${n(keysSearched)}`;
const canaryText = ({ keycell, node }: Report['memory']): string =>
  keycell.available && node.available
    ? `As a control, a marker held in each was ${keycell.canary > 0 && node.canary > 0 ? 'found' : 'NOT FOUND'}`
    : '';
const megabytes = (bytes: number): string => `${n(Math.round(bytes / 1e6))} MB`;
const logText = ({ named }: LogCheck): string =>
  named === undefined ? 'ALTERED, AND NOT NOTICED' : `line ${n(named.line)} named: ${named.reason}`;
