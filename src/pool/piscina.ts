/** The only importer of Piscina, which is loaded when cells are: a program that opens no HSM never pays for it. */
import { createRequire } from 'node:module';
import type { Piscina } from 'piscina';

export type { Piscina } from 'piscina';

/** Piscina from its package, or from the folder of a bundled program: it finds its worker script beside itself only. */
export async function loadPiscina(folder?: URL): Promise<typeof Piscina> {
  if (folder === undefined) return (await import('piscina')).Piscina;
  return createRequire(folder)('./piscina.js').Piscina;
}
