/** Users as the facade knows them: what their records say in the clear. */
import type { UserInfo } from '../model/hsm.ts';
import { decodeUser } from '../wire/control.ts';
import { decodeRecordHeader } from '../wire/record.ts';
import type { UserEntry } from './engine.ts';

/** Throws FormatError. */
export function userEntryOf(record: Uint8Array): UserEntry {
  const { id, attributes } = decodeRecordHeader(record);
  const { name, role, createdAt, locked } = decodeUser(attributes);
  return { id, name, role, createdAt, locked, record };
}

export const infoOf = ({ id, name, role, createdAt, locked }: UserEntry): UserInfo => ({
  id,
  name,
  role,
  locked,
  createdAt: new Date(createdAt),
});
