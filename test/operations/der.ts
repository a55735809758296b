/** DER by hand, for keys as nobody here writes them. */
import type { TestCurve } from './curves.ts';

/** How many bytes a length takes beyond what it must. */
export type Width = 0 | 1 | 2 | 3 | 4;

/** An element; with a width, its length in that many bytes, more than it needs perhaps. */
export function element(tag: number, content: Uint8Array, width: Width = 0): Buffer {
  const { length } = content;
  const needed = length < 128 ? 0 : length < 256 ? 1 : 2;
  const bytes = Math.max(width, needed);
  const head = Buffer.alloc(bytes === 0 ? 2 : 2 + bytes);
  head[0] = tag;
  head[1] = bytes === 0 ? length : 0x80 | bytes;
  if (bytes > 0) head.writeUIntBE(length, 2, bytes);
  return Buffer.concat([head, content]);
}

const CURVE_OID: Record<TestCurve['curve'], string> = {
  'P-256': '06082a8648ce3d030107',
  'P-384': '06052b81040022',
  secp256k1: '06052b8104000a',
};
export const oid = ({ curve }: TestCurve): Buffer => Buffer.from(CURVE_OID[curve], 'hex');
const EC_PUBLIC_KEY = Buffer.from('06072a8648ce3d0201', 'hex');

const integer = (value: number): Buffer => Buffer.of(2, 1, value);
export const bits = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of(0), bytes]);

export interface Sec1Parts {
  readonly version?: number;
  readonly scalar: Uint8Array;
  readonly parameters?: Uint8Array;
  readonly point?: Uint8Array;
}
/** RFC 5915 §3. */
export const sec1 = ({ version = 1, scalar, parameters, point }: Sec1Parts, width: Width = 0): Buffer =>
  element(
    0x30,
    Buffer.concat([
      integer(version),
      element(4, scalar, width),
      parameters === undefined ? Buffer.of() : element(0xa0, parameters, width),
      point === undefined ? Buffer.of() : element(0xa1, element(3, bits(point), width), width),
    ]),
    width,
  );

export interface Pkcs8Parts {
  readonly version?: number;
  readonly parameters: Uint8Array;
  readonly inner: Uint8Array;
  readonly attributes?: Uint8Array;
  /** The content of [1]. */
  readonly publicKey?: Uint8Array;
}
/** RFC 5958 §2. */
export const pkcs8 = (
  { version = 0, parameters, inner, attributes, publicKey }: Pkcs8Parts,
  width: Width = 0,
): Buffer =>
  element(
    0x30,
    Buffer.concat([
      integer(version),
      element(0x30, Buffer.concat([EC_PUBLIC_KEY, parameters]), width),
      element(4, inner, width),
      attributes === undefined ? Buffer.of() : element(0xa0, attributes, width),
      publicKey === undefined ? Buffer.of() : element(0x81, publicKey, width),
    ]),
    width,
  );

/** RFC 5480. */
export const spki = (parameters: Uint8Array, point: Uint8Array, width: Width = 0): Buffer =>
  element(
    0x30,
    Buffer.concat([element(0x30, Buffer.concat([EC_PUBLIC_KEY, parameters]), width), element(3, bits(point), width)]),
    width,
  );

/** Two attributes, as Java's and Apple's writers put beside a key: its usage, and a name. */
export const ATTRIBUTES = Buffer.from(
  '300b0603551d0f310403020780' + '301306092a864886f70d01091431061e0400610062',
  'hex',
);

export const pem = (label: string, der: Uint8Array, end = '\n', width = 64): Buffer => {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
  return Buffer.from([`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join(end));
};
