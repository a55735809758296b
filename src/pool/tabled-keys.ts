/**
 * Which public keys the cells are likely to have tables of, by which a verification costs a quarter
 * (assembly/ec/key_tables.ts). It follows the cells' own rule: a key earns its table by coming up often, and the tables used
 * longest ago go. Only what a cell has done counts. Who brings ever new keys therefore pays for new ones, and drives no other
 * key out before it has paid for the uses that earn the places. Only charges rest on it.
 */
import type { CellRequest, CellResult } from '../wire/batch.ts';
import { verifies } from './cost.ts';

/** Tables of a cell besides the base points': SLOTS there. */
const TABLES = 16;
/** Uses until a cell has its own: EARNED there. */
const EARNED = 8;

export class TabledKeys {
  readonly #earned: number;
  /** How often a key came up that has not earned a table yet. */
  readonly #uses = new WeakMap<Uint8Array, number>();
  /** Records of those that have, the last used first. */
  readonly #tabled: Uint8Array[] = [];

  /** For so many cells: each has its own tables, and a key's uses spread over them. */
  constructor(cells: number) {
    this.#earned = EARNED * cells;
  }

  /**
   * Has the request a verification that is likely to find no table? A proof is verified by the key of one issuer, whom the
   * wrapping key names: that one stands for it.
   */
  lacks(request: CellRequest): boolean {
    const key = request.keys[0];
    return key !== undefined && verifies(request) && !this.has(key.record);
  }

  has(record: Uint8Array): boolean {
    return this.#tabled.includes(record);
  }

  /** A cell has answered: count the verification, if there was one. What is refused, or found wrong, may not have come to it. */
  served(request: CellRequest, { status, parts }: CellResult): void {
    const key = request.keys[0];
    if (status !== 0 || key === undefined || !verifies(request)) return;
    if (request.op !== 'verify' || parts[0]?.[0] === 1) this.use(key.record);
  }

  /** A cell has verified by the key of this record. */
  use(record: Uint8Array): void {
    const tabled = this.#tabled;
    if (tabled[0] === record) return;
    const at = tabled.indexOf(record);
    if (at > 0) {
      tabled.copyWithin(1, 0, at);
      tabled[0] = record;
      return;
    }
    const uses = (this.#uses.get(record) ?? 0) + 1;
    if (uses < this.#earned) {
      this.#uses.set(record, uses);
      return;
    }
    // It is forgotten with its place, and has to earn it again.
    this.#uses.delete(record);
    tabled.unshift(record);
    if (tabled.length > TABLES) tabled.pop();
  }
}
