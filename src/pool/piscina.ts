/** The only importer of Piscina, which is loaded when cells are: a program that opens no HSM never pays for it. */
import type { Piscina } from 'piscina';
import { requireAsset } from '../assets.ts';

export type { Piscina } from 'piscina';

/** From `dist/assets`, or the folder of a bundled program: Piscina finds its worker script beside itself only. */
export const loadPiscina = async (folder?: URL): Promise<typeof Piscina> =>
  requireAsset('./piscina.js', folder).Piscina;
