/**
 * The bounds of what a caller may ask for, each stated once. The facade refuses early and says the limit; the cell refuses
 * what comes past the facade, before any work. docs/reference.md lists every constant here with its comment.
 */

/** Bytes of one message, plaintext or ciphertext (an envelope, tag or padding may come on top), and of its associated data. Longer plaintexts are streams. */
export const MESSAGE_MAX = 16 * 1024 * 1024;

/** Bytes of an `iv` that the caller gives for AES-GCM. */
export const IV_MAX = 1024;

/** Bytes each of a KDF's `info`, `salt`, `label`, `context`, `apu` and `apv`. */
export const KDF_FIELD_MAX = 1024;

/** Bytes of the `algorithm` of the KDF `concat`: RFC 7518 names none that comes near. */
export const KDF_ALGORITHM_MAX = 64;

/** Text that is parsed as JSON: its bytes in UTF-8, how deep objects and arrays nest, and its members at all depths. */
export interface JsonBounds {
  readonly bytes: number;
  readonly depth: number;
  readonly members: number;
}

/** A JOSE header, of a JWS, JWT, JWE or proof. */
export const HEADER_BOUNDS: JsonBounds = { bytes: 8192, depth: 16, members: 64 };

/** The claims of a JWT. */
export const CLAIMS_BOUNDS: JsonBounds = { bytes: 262144, depth: 16, members: 4096 };

/** A proof that `rewrapKeys` takes: bytes of the compact JWS; levels and members of its header, and of its claims. */
export const PROOF_BOUNDS: JsonBounds = { bytes: 8192, depth: 4, members: 64 };

/** Blobs of one `rewrapKeys`. */
export const BLOBS_MAX = 4096;

/** Bytes of the blobs of one `rewrapKeys`, together. */
export const BLOBS_SIZE_MAX = 512 * 1024;

/** Bytes of the headers of one `rewrapKeys`, summed over the JWEs: a header given once counts for each. */
export const HEADERS_MAX = 2 * 1024 * 1024;

/** Messages of one `signMany`. */
export const SIGN_MANY_MAX = 65536;

/** Bytes of one `random`. */
export const RANDOM_MAX = 65536;

/** Bytes of the key that `generateDataKey` makes. */
export const DATA_KEY_MAX = 4096;

/** Bytes of an EC key that comes in: PEM may have certificates and text around it. */
export const KEY_MATERIAL_MAX = 65536;

/** Bits of an HMAC or GENERIC key. */
export const KEY_BITS_MAX = 4096;

/** Bytes of a key's attributes as a request or a record states them, templates and label among them. */
export const ATTRIBUTES_MAX = 8192;

/** Characters (UTF-16 code units) of a key's label, in which nothing is hidden: no controls, no halves of characters. */
export const LABEL_MAX = 128;

/** Characters (UTF-16 code units) of a user's name, of the same kind. */
export const USER_NAME_MAX = 64;

/** Bytes of a passphrase or password. */
export const SECRET_MAX = 4096;
