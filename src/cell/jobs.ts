/** Jobs for a batch kernel: four addresses each, side by side, so that one call does them all. */
import type { Arena } from './arena.ts';
import type { Core } from './core.ts';

export const JOB_SIZE = 16;

export class JobList {
  readonly #core: Core;
  readonly #jobs: [number, number, number, number][] = [];

  constructor(core: Core) {
    this.#core = core;
  }

  get count(): number {
    return this.#jobs.length;
  }

  add(a: number, b: number, c: number, d: number): void {
    this.#jobs.push([a, b, c, d]);
  }

  /** Lay the jobs out and hand them to the kernel; the list is empty afterwards. */
  run(work: Arena, kernel: (jobs: number, count: number) => void): void {
    const count = this.#jobs.length;
    if (count === 0) return;
    const mark = work.mark();
    const at = work.takeReserved(JOB_SIZE * count);
    this.#jobs.forEach((job, i) => {
      job.forEach((address, j) => {
        this.#core.view.setUint32(at + JOB_SIZE * i + 4 * j, address, true);
      });
    });
    this.#jobs.length = 0;
    kernel(at, count);
    work.release(mark);
  }
}
