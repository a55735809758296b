import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const WYCHEPROOF =
  process.env['KEYCELL_VECTORS'] ?? fileURLToPath(new URL('../../../shared/vectors/wycheproof', import.meta.url));
export const CAVP = process.env['KEYCELL_CAVP'] ?? '/usr/lib/python3/dist-packages/cryptography_vectors';
export const wycheproof = (name: string) => JSON.parse(readFileSync(`${WYCHEPROOF}/${name}`, 'utf8'));
export const cavp = (path: string): string => readFileSync(`${CAVP}/${path}`, 'utf8');
