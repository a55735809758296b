/** The only importer of Piscina, which is loaded when cells are: a program that opens no HSM never pays for it. */
import { createRequire } from 'node:module';
import type { Piscina } from 'piscina';

export type { Piscina } from 'piscina';

/** From `dist/assets`, or the folder of a bundled program: Piscina finds its worker script beside itself only. */
export async function loadPiscina(folder?: URL): Promise<typeof Piscina> {
  return createRequire(folder ?? new URL('../../dist/assets/', import.meta.url))('./piscina.js').Piscina;
}
