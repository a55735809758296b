/** Keys and users as programs and people read them. */
import type { UserInfo } from '../model/hsm.ts';
import type { Key } from '../model/key.ts';
import { shown } from '../model/text.ts';

const iso = (date: Date | undefined): string | null => date?.toISOString() ?? null;

/** All that is known of a key; no part of it is secret. */
export function keyDocument(key: Key): Record<string, unknown> {
  return {
    id: key.id,
    label: key.label ?? null,
    type: key.type,
    class: key.class,
    ...(key.type === 'EC' ? { curve: key.curve } : { bits: key.bits }),
    usage: key.usage,
    extractable: key.extractable,
    version: key.version,
    owner: key.owner,
    createdAt: iso(key.createdAt),
    notBefore: iso(key.notBefore),
    notAfter: iso(key.notAfter),
    origin: key.origin,
    local: key.local,
    neverExtractable: key.neverExtractable,
    destroyable: key.destroyable,
    trusted: key.trusted,
    wrapWithTrusted: key.wrapWithTrusted,
    ...(key.type === 'AES' && {
      checkValue: key.checkValue,
      callerIv: key.callerIv,
      rewrapPolicy: key.rewrapPolicy,
      issuer: key.issuer ?? null,
      unwrapTemplate: key.unwrapTemplate ?? null,
    }),
    ...('deriveTemplate' in key && { deriveTemplate: key.deriveTemplate ?? null }),
    ...(key.type === 'EC' && { kid: key.kid, jwk: key.jwk }),
  };
}

export const userDocument = (user: UserInfo): Record<string, unknown> => ({
  id: user.id,
  name: user.name,
  role: user.role,
  locked: user.locked,
  createdAt: iso(user.createdAt),
});

/** "AES-256", "EC P-256 public": what a key is, in a word or two. */
export function kindOf(key: Key): string {
  const size = key.type === 'EC' ? ` ${key.curve}` : `-${key.bits}`;
  return `${key.type}${size}${key.class === 'public' ? ' public' : ''}`;
}

/** The same, with the label. */
export const nameOf = (key: Key): string => `${kindOf(key)}${key.label === undefined ? '' : ` "${shown(key.label)}"`}`;

/** A document a line each, as `show` and `status` print it; what a member holds that is a document itself stands below it. */
export function lines(document: object): string {
  const members = Object.entries(document).filter(([, value]) => value !== undefined);
  const width = Math.max(...members.map(([name]) => name.length));
  return members
    .map(([name, value]) =>
      isDocument(value) ? `${name}\n${indented(lines(value))}` : `${name.padEnd(width)}  ${text(value)}`,
    )
    .join('\n');
}

const isDocument = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
const indented = (block: string): string => block.replace(/^/gm, '    ');

function text(value: unknown): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return '-';
  if (Array.isArray(value)) return shown(value.join(', '));
  return value instanceof Date ? value.toISOString() : shown(String(value));
}

const quoted = (text: string): string => `"${shown(text).replaceAll('"', '\\"')}"`;

/** A label or name among others: quoted where it could be taken for more than one thing, or for an id. */
export const named = (text: string): string =>
  /^ | $| {2}|[;,"]|^[0-9a-f]{32}$/.test(text) ? quoted(text) : shown(text);

/** What stands between columns stands in none of them. */
const cellOf = (text: string): string => (/^ | $| {2}/.test(text) ? quoted(text) : shown(text));

/** Rows under a heading, each column as wide as it must be. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows].map((row) => row.map(cellOf));
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
