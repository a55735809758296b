/** Lists of byte strings inside one part: a count, then each with its length, all u32 big-endian. */
import { BLOBS_MAX } from '../model/limits.ts';
import { FieldReader, FormatError } from './fields.ts';

export function packList(items: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const sizes = items.map(({ length }) => length);
  const list = new Uint8Array(listSize(sizes));
  layList(list, sizes).forEach((place, i) => {
    list.set(items[i]!, place);
  });
  return list;
}

/** The size of the list of items of these sizes. */
export const listSize = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + 4 + size, 4);

/** Write to `list`, of `listSize` bytes, all but the items; gives each item's place. */
export function layList(list: Uint8Array, sizes: readonly number[]): number[] {
  const view = new DataView(list.buffer, list.byteOffset, list.length);
  view.setUint32(0, sizes.length);
  let at = 4;
  return sizes.map((size) => {
    view.setUint32(at, size);
    const place = at + 4;
    at = place + size;
    return place;
  });
}

/** How many items a list says that it has, for those who only estimate: at most as many as there is room for. */
export function peekCount(list: Uint8Array): number {
  if (list.length < 4) return 0;
  const count = ((list[0]! << 24) | (list[1]! << 16) | (list[2]! << 8) | list[3]!) >>> 0;
  return Math.min(count, (list.length - 4) >> 2);
}

/** Where each item lies: offset and length in `bytes`. Throws FormatError. */
export function readList(bytes: Uint8Array): { readonly offset: number; readonly length: number }[] {
  const reader = new FieldReader(bytes);
  const count = reader.u32();
  if (count > BLOBS_MAX) throw new FormatError('a list is too long');
  const items: { offset: number; length: number }[] = [];
  for (let i = 0; i < count; i++) {
    const length = reader.u32();
    items.push({ offset: reader.offset, length });
    reader.view(length);
  }
  reader.end();
  return items;
}
