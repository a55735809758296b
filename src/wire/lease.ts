/** The lease, docs/formats.md §4: the warden's word, once a second, on time and revocations. */
import { FieldReader, FieldWriter, FormatError } from './fields.ts';
import { MAC_SIZE } from './ticket.ts';

const MAGIC = 'KCLS';
const FORMAT = 1;
const FIXED_SIZE = 70;
const REVOCATION_SIZE = 21;
/** Revocations live as long as a ticket (15 minutes); more than this many at once end every session instead. */
export const LEASE_MAX_REVOCATIONS = 2048;

/** A session that is over, or a user of whom tickets below `epoch` are void. */
export type Revocation =
  | { readonly kind: 'session'; readonly id: string }
  | { readonly kind: 'user'; readonly id: string; readonly epoch: number };

export interface Lease {
  readonly hsmId: string;
  readonly incarnation: number;
  /** Random, new with each unseal. */
  readonly boot: string;
  /** Rises by one with each lease of a boot. */
  readonly number: number;
  readonly controlSequence: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly revocations: readonly Revocation[];
}

/** What the MAC covers. */
export function encodeLeaseBody(lease: Lease): Uint8Array<ArrayBuffer> {
  const writer = new FieldWriter(FIXED_SIZE + REVOCATION_SIZE * lease.revocations.length)
    .magic(MAGIC)
    .u8(FORMAT)
    .zero(3)
    .id(lease.hsmId)
    .u32(lease.incarnation)
    .id(lease.boot)
    .u64(lease.number)
    .u64(lease.controlSequence)
    .u64(lease.time)
    .u16(lease.revocations.length);
  for (const revocation of lease.revocations) {
    if (revocation.kind === 'session') writer.u8(1).id(revocation.id).u32(0);
    else writer.u8(2).id(revocation.id).u32(revocation.epoch);
  }
  return writer.bytes;
}

/** Read body ‖ MAC; the MAC is for the caller to check first. Throws FormatError. */
export function decodeLease(bytes: Uint8Array): Lease {
  const reader = new FieldReader(bytes);
  reader.magic(MAGIC);
  if (reader.u8() !== FORMAT) throw new FormatError('unknown lease format');
  reader.zero(3);
  const hsmId = reader.id();
  const incarnation = reader.u32();
  const boot = reader.id();
  const number = reader.u64();
  const controlSequence = reader.u64();
  const time = reader.u64();
  const count = reader.u16();
  if (count > LEASE_MAX_REVOCATIONS) throw new FormatError('too many revocations');
  const revocations: Revocation[] = [];
  for (let i = 0; i < count; i++) {
    const kind = reader.u8();
    const id = reader.id();
    const epoch = reader.u32();
    if (kind === 1) revocations.push({ kind: 'session', id });
    else if (kind === 2) revocations.push({ kind: 'user', id, epoch });
    else throw new FormatError('unknown revocation');
  }
  reader.view(MAC_SIZE);
  reader.end();
  return { hsmId, incarnation, boot, number, controlSequence, time, revocations };
}
