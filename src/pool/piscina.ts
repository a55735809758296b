/** The only importer of Piscina, which is loaded when cells are: a program that opens no HSM never pays for it. */
import { createRequire } from 'node:module';
import type { Piscina } from 'piscina';
import { mustHaveDescriptors } from '../descriptors.ts';

export type { Piscina } from 'piscina';

/** More than modules take at once while they load: without any, Node says that there is no such module. */
const LOAD_DESCRIPTORS = 8;

/**
 * From `dist/assets`, or the folder of a bundled program: Piscina finds its worker script beside itself only. By `require`: Node
 * remembers for the life of the process that an `import` failed, for want of descriptors, say.
 */
export async function loadPiscina(folder?: URL): Promise<typeof Piscina> {
  mustHaveDescriptors(LOAD_DESCRIPTORS);
  return createRequire(folder ?? new URL('../../dist/assets/', import.meta.url))('./piscina.js').Piscina;
}
