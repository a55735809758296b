/** What seeds a cell's generator: only the kernel's own device, and with it what tells two copies of a machine apart. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Arena } from '../../dist/cell/arena.js';
import { chooseBuild } from '../../dist/cell/builds.js';
import { type Core, IntegrityError, openCore } from '../../dist/cell/core.js';
import { Entropy } from '../../dist/cell/entropy.js';
import { Random } from '../../dist/cell/random.js';

const STATE_SIZE = 0x100;
const OTHER_SIZE = 32;
let core: Core;
let work: Arena;
let folder: string;

beforeAll(() => {
  const dist = (name: string) => readFileSync(new URL(`../../dist/cell/${name}`, import.meta.url));
  const build = chooseBuild(dist, process.env['KEYCELL_SIMD']);
  core = openCore(build.core, build.digest);
  work = new Arena(core.call.WORK.value, core.call.WORK_SIZE.value);
  folder = mkdtempSync(join(tmpdir(), 'keycell-entropy-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('in the place of /dev/urandom', () => {
  const at = (name: string) => join(folder, name);

  test('the device is taken, by a link, too', () => {
    symlinkSync('/dev/urandom', at('link'));
    for (const path of ['/dev/urandom', at('link')]) new Entropy(path).close();
  });

  test('a file, a FIFO, a folder, or another device is refused at once, and no descriptor stays behind', () => {
    writeFileSync(at('file'), new Uint8Array(1 << 16));
    execFileSync('mkfifo', [at('fifo')]);
    symlinkSync(at('file'), at('link to a file'));
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    const others = [at('file'), at('fifo'), at('link to a file'), folder, '/dev/zero', '/dev/null', '/dev/random'];
    for (const path of others) {
      expect(() => new Entropy(path)).toThrow(IntegrityError);
      expect(() => new Entropy(path)).toThrow(/not the kernel's generator/);
    }
    expect(open()).toBe(before);
  });

  test('nothing at all is an error, too', () => {
    expect(() => new Entropy(at('none'))).toThrow(/ENOENT/);
  });
});

/** The same bytes of the kernel, whenever they are read. */
class Copied extends Entropy {
  override read(of: Core, at: number, length: number): void {
    of.bytes.fill(7, at, at + length);
  }
}
/** Besides, node:crypto's generator in the same state. */
class CopiedWhole extends Copied {
  override distinguish(of: Core, at: number): void {
    super.distinguish(of, at);
    of.bytes.fill(7, at, at + OTHER_SIZE);
  }
}
/** And no time: what no copy has. */
class Repeated extends Copied {
  override distinguish(of: Core, at: number): void {
    of.bytes.fill(7, at, at + OTHER_SIZE + 20);
  }
}

/** What each of two copies of a generator draws after its next seed, at the start or in a batch. */
function drawnByTwo(entropy: Entropy, seed: (random: Random) => void): readonly string[] {
  const random = new Random(core, work, 'test', entropy);
  const { value: vault } = core.call.VAULT;
  const state = core.bytes.slice(vault, vault + STATE_SIZE);
  const draw = () => {
    core.bytes.set(state, vault);
    seed(random);
    const drawn = Buffer.from(random.bytes(32)).toString('hex');
    random.endBatch();
    work.reset();
    return drawn;
  };
  const drawn = [draw(), draw()];
  random.close();
  core.call.wipeAll();
  return drawn;
}

describe.each([
  ['in a batch', (random: Random) => random.beginBatch(1)],
  // The warden has none.
  ['outside of batches', () => {}],
  ['after a seal', (random: Random) => random.restart()],
] as const)('%s', (_, seed) => {
  test('copies of one generator go apart, though the kernel gives both the same', () => {
    for (const entropy of [new Copied(), new CopiedWhole()]) expect(new Set(drawnByTwo(entropy, seed)).size).toBe(2);
  });

  test('and they would not without what is added', () => {
    expect(new Set(drawnByTwo(new Repeated(), seed)).size).toBe(1);
  });
});

test('what is added: 32 bytes of node:crypto, both clocks, the process; and nothing of it stays in memory', () => {
  const added: { at: number; bytes: Uint8Array }[] = [];
  const watched = { ...core, call: { ...core.call } } as Core;
  (watched.call as { drbgReseed: unknown }).drbgReseed = (...ask: [number, number, number, number]) => {
    added.push({ at: ask[2], bytes: core.bytes.slice(ask[2], ask[2] + ask[3]) });
    expect([ask[0] + ask[1], ask[1], ask[3]]).toEqual([ask[2], 32, 52]);
    return core.call.drbgReseed(...ask);
  };
  const random = new Random(watched, work, 'test');
  const times = [[Date.now(), performance.now()] as const];
  for (let i = 0; i < 3; i++) {
    random.bytes(1);
    times.push([Date.now(), performance.now()]);
  }
  added.forEach(({ bytes }, i) => {
    const view = new DataView(bytes.buffer);
    const stated = [view.getFloat64(OTHER_SIZE), view.getFloat64(OTHER_SIZE + 8)] as const;
    for (const clock of [0, 1] as const) {
      expect(stated[clock]).toBeGreaterThanOrEqual(times[i]![clock]);
      expect(stated[clock]).toBeLessThanOrEqual(times[i + 1]![clock]);
    }
    expect(view.getUint32(OTHER_SIZE + 16)).toBe(process.pid);
    const other = Buffer.from(bytes.subarray(0, OTHER_SIZE));
    for (let at = 0; at + 8 <= OTHER_SIZE; at += 8) {
      expect(Buffer.from(core.bytes.buffer).includes(other.subarray(at, at + 8))).toBe(false);
    }
  });
  expect(new Set(added.map(({ bytes }) => Buffer.from(bytes.subarray(0, OTHER_SIZE)).toString('hex'))).size).toBe(3);
  random.close();
  core.call.wipeAll();
  work.reset();
});
