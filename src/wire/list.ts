/** Lists of byte strings inside one part: a count, then each with its length, all u32 big-endian. */
import { FieldReader, FieldWriter, FormatError } from './fields.ts';

const LIST_MAX = 4096;

export function packList(items: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const writer = new FieldWriter(items.reduce((size, item) => size + 4 + item.length, 4)).u32(items.length);
  for (const item of items) writer.u32(item.length).raw(item);
  return writer.bytes;
}

/** Where each item lies: offset and length in `bytes`. Throws FormatError. */
export function readList(bytes: Uint8Array): { readonly offset: number; readonly length: number }[] {
  const reader = new FieldReader(bytes);
  const count = reader.u32();
  if (count > LIST_MAX) throw new FormatError('a list is too long');
  const items: { offset: number; length: number }[] = [];
  for (let i = 0; i < count; i++) {
    const length = reader.u32();
    items.push({ offset: reader.offset, length });
    reader.view(length);
  }
  reader.end();
  return items;
}
