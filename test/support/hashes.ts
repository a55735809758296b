/** The hashes as the core numbers them and node:crypto names them; sizes in bytes. */
export const HASHES = {
  sha256: { number: 1, name: 'sha256', size: 32, block: 64 },
  sha384: { number: 2, name: 'sha384', size: 48, block: 128 },
  sha512: { number: 3, name: 'sha512', size: 64, block: 128 },
} as const;

export type Hash = (typeof HASHES)[keyof typeof HASHES];
export const ALL_HASHES: readonly Hash[] = Object.values(HASHES);
