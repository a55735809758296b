/** The titles and their wrapped content keys: what a service would keep in its database. Nothing here is secret. */
import { randomBytes, randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { Rotated, Vault } from './vault.ts';

export interface Title extends Rotated {
  readonly name: string;
  /** One a content key (sound, SD, HD …), 16 bytes in base64url. */
  readonly kids: readonly string[];
}

export class Catalogue {
  readonly titles: readonly Title[];
  readonly #byKid: ReadonlyMap<string, Title>;

  constructor(titles: readonly Title[]) {
    this.titles = titles;
    this.#byKid = new Map(titles.flatMap((title) => title.kids.map((kid) => [kid, title] as const)));
  }

  find(kid: string): Title | undefined {
    return this.#byKid.get(kid);
  }

  /** Write what would go into the database, to see for oneself: blobs alone. */
  async save(path: string): Promise<void> {
    const rows = this.titles.map(({ name, kids, stored }) => ({
      name,
      keys: kids.map((kid, k) => ({ kid, blob: Buffer.from(stored.blobs[k]!).toString('base64') })),
    }));
    await writeFile(path, `${JSON.stringify(rows, null, 1)}\n`);
  }
}

/** `count` titles with one to six content keys each; some at a time, so that the vault's queue stays short. */
export async function makeCatalogue(vault: Vault, count: number): Promise<Catalogue> {
  const titles: Title[] = [];
  for (let first = 0; first < count; first += 50) {
    const names = Array.from({ length: Math.min(50, count - first) }, (_, k) => `title-${first + k + 1}`);
    titles.push(...(await Promise.all(names.map((name) => makeTitle(vault, name)))));
  }
  return new Catalogue(titles);
}

async function makeTitle(vault: Vault, name: string): Promise<Title> {
  const kids = Array.from({ length: randomInt(1, 7) }, () => randomBytes(16).toString('base64url'));
  return { name, kids, stored: await vault.makeKeys(kids.length), former: [] };
}
