/**
 * The body of a log entry: JSON text ending in a MAC under the audit key, made where the operation was done.
 * The log outside adds sequence and chain; who rewrites a body there cannot make its MAC.
 */
import type { Arena } from './arena.ts';
import type { Core } from './core.ts';
import type { Vault } from './vault.ts';

const MAC_MEMBER = ',"mac":"';

/** `fields` must be a non-empty object of public values. */
export function makeEntry(core: Core, work: Arena, vault: Vault, fields: Readonly<Record<string, unknown>>): string {
  const open = JSON.stringify(fields).slice(0, -1);
  return `${open}${MAC_MEMBER}${macOf(core, work, vault, open)}"}`;
}

/** Is this body one that a cell or warden of this HSM made? */
export function entryIsAuthentic(core: Core, work: Arena, vault: Vault, body: string): boolean {
  const at = body.lastIndexOf(MAC_MEMBER);
  if (at < 0) return false;
  const open = body.slice(0, at);
  return body === `${open}${MAC_MEMBER}${macOf(core, work, vault, open)}"}`;
}

/** The MAC is written to the log, so comparing and showing it as hex gives nothing away. */
function macOf(core: Core, work: Arena, vault: Vault, text: string): string {
  const bytes = new TextEncoder().encode(text);
  const mark = work.mark();
  const at = work.takeReserved(bytes.length);
  const mac = work.takeReserved(32);
  core.bytes.set(bytes, at);
  vault.mac('audit', at, bytes.length, mac);
  const hex = Buffer.from(core.bytes.subarray(mac, mac + 32)).toString('hex');
  work.release(mark);
  return hex;
}
