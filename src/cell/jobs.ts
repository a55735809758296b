/** Jobs for the batch kernels: four addresses each, side by side, so that one call does all of a kind. */
import { CURVE, HASH } from '../model/algorithms.ts';
import type { Curve, HashName } from '../model/key.ts';
import type { Arena } from './arena.ts';
import type { Core } from './core.ts';

const JOB_WORDS = 4;
export const JOB_SIZE = 4 * JOB_WORDS;

type Kernel = (jobs: number, count: number) => void;

export class JobList {
  readonly #core: Core;
  /** Four addresses a job. */
  readonly #words: number[] = [];

  constructor(core: Core) {
    this.#core = core;
  }

  get count(): number {
    return this.#words.length / JOB_WORDS;
  }

  add(a: number, b: number, c: number, d: number): void {
    this.#words.push(a, b, c, d);
  }

  /** Lay the jobs out and hand them to the kernel; the list is empty afterwards. */
  run(work: Arena, kernel: Kernel): void {
    const { count } = this;
    if (count === 0) return;
    const mark = work.mark();
    const at = work.takeReserved(JOB_SIZE * count);
    this.#words.forEach((word, i) => {
      this.#core.view.setUint32(at + 4 * i, word, true);
    });
    this.#words.length = 0;
    kernel(at, count);
    work.release(mark);
  }
}

/** A batch's jobs on curves: a list for each curve and hash that its requests name, which runs once. */
export class CurveJobs {
  readonly #core: Core;
  readonly #lists = new Map<string, { readonly list: JobList; readonly kernel: Kernel }>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Scalar, digest, noise or 0, signature. */
  sign(curve: Curve, hash: HashName): JobList {
    const [c, h] = [CURVE[curve].number, HASH[hash].number];
    return this.#list(`sign/${c}/${h}`, (jobs, count) => this.#core.call.ecdsaSign(c, h, jobs, count));
  }

  /** Point, digest, signature, result. */
  verify(curve: Curve, hash: HashName): JobList {
    const [c, h] = [CURVE[curve].number, HASH[hash].number];
    return this.#list(`verify/${c}/${h}`, (jobs, count) => this.#core.call.ecdsaVerify(c, h, jobs, count));
  }

  /** Scalar, point, shared secret, result. */
  ecdh(curve: Curve): JobList {
    const c = CURVE[curve].number;
    return this.#list(`ecdh/${c}`, (jobs, count) => this.#core.call.ecdh(c, jobs, count));
  }

  #list(name: string, kernel: Kernel): JobList {
    const known = this.#lists.get(name);
    if (known !== undefined) return known.list;
    const list = new JobList(this.#core);
    this.#lists.set(name, { list, kernel });
    return list;
  }

  run(work: Arena): void {
    for (const { list, kernel } of this.#lists.values()) list.run(work, kernel);
  }
}
