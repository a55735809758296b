/** The bounds of what a caller may ask for, each stated once: docs/reference.md lists them from here. */

/** Text that is parsed as JSON: its bytes in UTF-8, how deep objects and arrays nest, and its members at all depths. */
export interface JsonBounds {
  readonly bytes: number;
  readonly depth: number;
  readonly members: number;
}

/** A JOSE header, of a JWS, a JWT, a JWE or a proof. */
export const HEADER_BOUNDS: JsonBounds = { bytes: 8192, depth: 16, members: 64 };
