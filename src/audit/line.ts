/**
 * One line of the file: {"seq":12,"hash":"<64 hex digits>","body":{…}} and a line feed.
 *
 * Every byte of it is covered: seq and body by the hash, the hash by being computed again, the rest by
 * being compared with the only form a line may have.
 */
import { type AuditHead, chainHash, MAX_BODY_BYTES } from './log.ts';

export const LINE_FEED = 0x0a;
export const MAX_LINE_BYTES = MAX_BODY_BYTES + 128;

const HASH = /^[0-9a-f]{64}$/;

/** What stands before the body. */
export const formatFront = ({ seq, hash }: AuditHead): string => `{"seq":${seq},"hash":"${hash}","body":`;

/** The line's text, with its line feed. */
export const formatLine = (head: AuditHead, body: string): string => `${formatFront(head)}${body}}\n`;

export type LineCheck =
  | { readonly ok: true; readonly head: AuditHead; readonly body: Uint8Array }
  | { readonly ok: false; readonly reason: string };

/** Check a line, without its line feed, against the head before it. */
export function checkLine(line: Buffer, before: AuditHead): LineCheck {
  const seq = before.seq + 1;
  const front = `{"seq":${seq},"hash":"`;
  const hashEnd = front.length + 64;
  const bodyStart = hashEnd + 9;
  if (line.toString('latin1', 0, front.length) !== front) {
    const found = /^\{"seq":(\d{1,16}),"hash":"/.exec(line.toString('latin1', 0, 40))?.[1];
    const reason = found
      ? `entry ${found} stands where entry ${seq} belongs: lines are missing, doubled, moved or altered`
      : `the line doesn't begin as entry ${seq} must`;
    return { ok: false, reason };
  }
  const hash = line.toString('latin1', front.length, hashEnd);
  if (!HASH.test(hash)) return { ok: false, reason: `the hash of entry ${seq} is not 64 hex digits` };
  const framed = line.toString('latin1', hashEnd, bodyStart) === '","body":' && line[line.length - 1] === 0x7d;
  const body = line.subarray(bodyStart, line.length - 1);
  if (!framed || body[0] !== 0x7b || body[body.length - 1] !== 0x7d) {
    return { ok: false, reason: `the frame of entry ${seq} is damaged` };
  }
  if (chainHash(before.hash, seq, body) !== hash) {
    return { ok: false, reason: `entry ${seq} doesn't match its hash: it, or an entry before it, was altered` };
  }
  return { ok: true, head: { seq, hash }, body };
}

/**
 * What the bytes behind the last line feed are: 'torn' if a write that was cut short can have left them,
 * 'whole' if they are the next entry and lack nothing but the line feed, otherwise 'damaged'.
 *
 * A torn write leaves the beginning of a line, or zeros where the file had grown and the data had not come.
 * The whole entry with one wrong byte behind it is no torn write: its line feed was altered.
 */
export function judgeTail(tail: Buffer, before: AuditHead): 'torn' | 'whole' | 'damaged' {
  let end = tail.length;
  while (end > 0 && tail[end - 1] === 0) end--;
  const zeros = tail.length - end;
  if (checkLine(tail.subarray(0, end), before).ok) return zeros === 0 ? 'whole' : 'damaged';
  if (zeros === 0 && checkLine(tail.subarray(0, tail.length - 1), before).ok) return 'damaged';
  const front = `{"seq":${before.seq + 1},"hash":"`;
  const text = tail.toString('latin1', 0, Math.min(end, front.length));
  if (!front.startsWith(text)) return 'damaged';
  const hash = tail.toString('latin1', front.length, Math.min(end, front.length + 64));
  if (!/^[0-9a-f]*$/.test(hash)) return 'damaged';
  const middle = tail.toString('latin1', front.length + 64, Math.min(end, front.length + 74));
  return '","body":{'.startsWith(middle) ? 'torn' : 'damaged';
}
