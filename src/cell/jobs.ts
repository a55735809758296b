/** Jobs for the batch kernels: a few addresses and lengths each, side by side, so that one call does all of a kind. */
import { CURVE, HASH } from '../model/algorithms.ts';
import type { Curve, HashName } from '../model/key.ts';
import type { Arena } from './arena.ts';
import type { Core, CoreExports } from './core.ts';

/** Words of a job: of hashing, on a curve, of key wrapping, of a check value, of sealing a record. */
const HASH_JOB = 3;
const CURVE_JOB = 4;
const KEYWRAP_JOB = 5;
const CHECK_VALUE_JOB = 3;
export const SEAL_JOB = 7;

export type Kernel = (jobs: number, count: number) => void;

interface Work {
  readonly list: JobList;
  readonly kernel: Kernel;
}

/** A kernel of one curve and one hash, where it takes them. */
interface NumberedKernel {
  readonly number: number;
  kernel(call: CoreExports, curve: number, hash: number): Kernel;
}

const NO_CURVE = 0;
const NO_HASH = 0;
const DIGEST: NumberedKernel = {
  number: 0,
  kernel:
    ({ hashMany }, _, h) =>
    (jobs, count) =>
      hashMany(h, jobs, count),
};
const SIGN: NumberedKernel = {
  number: 1,
  kernel:
    ({ ecdsaSign }, c, h) =>
    (jobs, count) =>
      ecdsaSign(c, h, jobs, count),
};
const VERIFY: NumberedKernel = {
  number: 2,
  kernel:
    ({ ecdsaVerify }, c, h) =>
    (jobs, count) =>
      ecdsaVerify(c, h, jobs, count),
};
const ECDH: NumberedKernel = {
  number: 3,
  kernel:
    ({ ecdh }, c) =>
    (jobs, count) =>
      ecdh(c, jobs, count),
};
const GENERATE: NumberedKernel = {
  number: 4,
  kernel:
    ({ ecKeyGenerateMany }, c) =>
    (jobs, count) =>
      ecKeyGenerateMany(c, jobs, count),
};

export class JobList {
  readonly #core: Core;
  /** u32 a job. */
  readonly #width: number;
  /** All jobs' words, one behind the other: [0, length) of what never shrinks. */
  readonly #words: number[] = [];
  #length = 0;
  /** So many of them are to stay, whatever becomes of the step that adds more. */
  #kept = 0;

  constructor(core: Core, width: number) {
    this.#core = core;
    this.#width = width;
  }

  /** A job's words, as many as the list's kernel takes: one by one, since a rest parameter is one more array a job. */
  add(a: number, b: number, c: number, d = 0, e = 0, f = 0, g = 0): void {
    const words = this.#words;
    const at = this.#length;
    this.#length += this.#width;
    words[at] = a;
    words[at + 1] = b;
    words[at + 2] = c;
    if (this.#width > 3) words[at + 3] = d;
    if (this.#width > 4) words[at + 4] = e;
    if (this.#width > 5) {
      words[at + 5] = f;
      words[at + 6] = g;
    }
  }

  keep(): void {
    this.#kept = this.#length;
  }

  drop(): void {
    this.#length = this.#kept;
  }

  clear(): void {
    this.#length = 0;
    this.#kept = 0;
  }

  /** Lay the jobs out and hand them to the kernel; the list is empty afterwards. */
  run(work: Arena, kernel: Kernel): void {
    const length = this.#length;
    if (length === 0) return;
    const words = this.#words;
    const { view } = this.#core;
    const mark = work.mark();
    const at = work.takeReserved(4 * length);
    for (let i = 0; i < length; i++) view.setUint32(at + 4 * i, words[i]!, true);
    kernel(at, length / this.#width);
    this.clear();
    work.release(mark);
  }
}

/** A batch's jobs: a list for each kernel, curve and hash that requests name. Made once for all batches of a cell. */
export class Jobs {
  readonly #core: Core;
  readonly #lists = new Map<number | string, JobList>();
  /** Run first: what curves work on are digests. */
  readonly #first: Work[] = [];
  readonly #second: Work[] = [];
  /** Run last: what other kernels write into a record's header is sealed with it. */
  readonly #seals: JobList;
  readonly #sealKernel: Kernel;

  /** `seal` is the kernel that seals records. */
  constructor(core: Core, seal: Kernel) {
    this.#core = core;
    this.#seals = new JobList(core, SEAL_JOB);
    this.#sealKernel = seal;
  }

  /** Records to be sealed: what a job is, records.ts knows. */
  get seals(): JobList {
    return this.#seals;
  }

  /** Message, its length, and where its digest goes. */
  digest(hash: HashName): JobList {
    return this.#numbered(DIGEST, NO_CURVE, HASH[hash].number, this.#first, HASH_JOB);
  }

  /** AES key, its length, and where its check value is to stand. */
  checkValue(): JobList {
    return this.#named('aesCheckValues', CHECK_VALUE_JOB);
  }

  /** Scalar, digest, noise or 0, signature. */
  sign(curve: Curve, hash: HashName): JobList {
    return this.#numbered(SIGN, CURVE[curve].number, HASH[hash].number);
  }

  /** Point, digest, signature, result. */
  verify(curve: Curve, hash: HashName): JobList {
    return this.#numbered(VERIFY, CURVE[curve].number, HASH[hash].number);
  }

  /** Scalar, point, shared secret, result. */
  ecdh(curve: Curve): JobList {
    return this.#numbered(ECDH, CURVE[curve].number, NO_HASH);
  }

  /** Scalar, point, seed, result: the first two are written. */
  generate(curve: Curve): JobList {
    return this.#numbered(GENERATE, CURVE[curve].number, NO_HASH);
  }

  /** By a number, since a name would be put together for each request. */
  #numbered({ number, kernel }: NumberedKernel, c: number, h: number, all = this.#second, width = CURVE_JOB): JobList {
    const name = 256 * number + 16 * c + h;
    return this.#lists.get(name) ?? this.#make(name, all, width, kernel(this.#core.call, c, h));
  }

  /** AES context, input, its length, output, result: what the kernel of that name gives for one. */
  keyWrap(kernel: 'kwWrapMany' | 'kwUnwrapMany' | 'kwpWrapMany' | 'kwpUnwrapMany'): JobList {
    return this.#named(kernel, KEYWRAP_JOB);
  }

  #named(
    kernel: 'aesCheckValues' | 'kwWrapMany' | 'kwUnwrapMany' | 'kwpWrapMany' | 'kwpUnwrapMany',
    width: number,
  ): JobList {
    return this.#lists.get(kernel) ?? this.#make(kernel, this.#second, width, this.#core.call[kernel]);
  }

  #make(name: number | string, all: Work[], width: number, kernel: Kernel): JobList {
    const list = new JobList(this.#core, width);
    all.push({ list, kernel });
    this.#lists.set(name, list);
    return list;
  }

  /** What was added since the last call shall run. */
  keep(): void {
    for (let i = 0; i < this.#first.length; i++) this.#first[i]!.list.keep();
    for (let i = 0; i < this.#second.length; i++) this.#second[i]!.list.keep();
    this.#seals.keep();
  }

  /** What was added since `keep` shall not: its step was refused, and the memory that it names is given back. */
  drop(): void {
    for (const { list } of this.#first) list.drop();
    for (const { list } of this.#second) list.drop();
    this.#seals.drop();
  }

  /** After a batch, whatever its end. */
  clear(): void {
    for (const { list } of this.#first) list.clear();
    for (const { list } of this.#second) list.clear();
    this.#seals.clear();
  }

  /** Run each list that has jobs. */
  run(work: Arena): void {
    for (const { list, kernel } of this.#first) list.run(work, kernel);
    for (const { list, kernel } of this.#second) list.run(work, kernel);
    this.#seals.run(work, this.#sealKernel);
  }
}
