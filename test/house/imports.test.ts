/** The house rules: imports point one way, and each library has one door. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SRC = join(ROOT, 'src');

interface Import {
  readonly from: string;
  /** A path below src without .ts, or a package. */
  readonly to: string;
  readonly typeOnly: boolean;
  /** Loaded when it is needed, or named only. */
  readonly later: boolean;
}

const STATEMENT = /^(?:import|export)\s+(type\s)?[^;'"]*?from\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]/gm;
const DYNAMIC = /import\(\s*['"]([^'"]+)['"]|new URL\(\s*['"]([^'"]+\.js)['"]/g;

function imports(folder: string, extension: string): Import[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith(extension));
  return files.flatMap((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const resolved = (target: string) =>
      target.startsWith('.') ? relative(folder, resolve(dirname(join(folder, file)), target)) : target;
    return [
      ...[...text.matchAll(STATEMENT)].map((m) => ({
        from: file,
        to: resolved((m[2] ?? m[3])!),
        typeOnly: m[1] !== undefined,
        later: false,
      })),
      ...[...text.matchAll(DYNAMIC)].map((m) => ({
        from: file,
        to: resolved((m[1] ?? m[2])!),
        typeOnly: false,
        later: true,
      })),
    ];
  });
}

const all = imports(SRC, '.ts');
const room = (path: string): string => path.split('/')[0]!;
const isPackage = (to: string): boolean => to.startsWith('node:') || !/\.(ts|js)$/.test(to);

/** Which rooms a room may import from, besides itself. What only types need is marked so. */
const ROOMS: Record<string, { values: string[]; types?: string[] }> = {
  'errors.ts': { values: [] },
  'assets.ts': { values: ['descriptors.ts'] },
  'descriptors.ts': { values: [] },
  // One reader of secrets for the public door and the command line, which see nothing else of each other's insides.
  'secret-file.ts': { values: ['descriptors.ts', 'errors.ts', 'wire/own.ts'] },
  model: { values: ['errors.ts'] },
  wire: { values: ['model', 'errors.ts'] },
  cell: { values: ['wire', 'model', 'errors.ts'] },
  // It names the worker modules that it starts.
  pool: {
    values: [
      'wire',
      'assets.ts',
      'descriptors.ts',
      'errors.ts',
      'model/limits.ts',
      'cell/worker.js',
      'cell/warden/worker.js',
      'cell/warden/hasher.js',
      'cell/warden/protocol.ts',
    ],
    types: ['cell', 'model'],
  },
  keystore: { values: ['assets.ts', 'descriptors.ts', 'errors.ts'] },
  audit: { values: ['errors.ts', 'keystore/identity.ts', 'keystore/owner-only.ts'] },
  // Entries of their own: they see the HSM through its public interface alone.
  observe: { values: ['model'] },
  hsm: {
    values: ['wire', 'model', 'errors.ts', 'pool/pool.ts'],
    types: ['keystore/store.ts', 'audit/log.ts', 'cell/warden/protocol.ts'],
  },
  // Entries of their own, over the public interface: importing one loads nothing of the HSM but what it parses with.
  jose: {
    values: [
      ...['errors.ts', 'model/limits.ts', 'model/values.ts'],
      ...['wire/json-bounds.ts', 'wire/public-key.ts', 'wire/fields.ts'],
    ],
    types: ['model'],
  },
  doors: { values: ['errors.ts'], types: ['model'] },
  // It stands outside: the public door, the errors, the types that both speak of, and the lists of what there is.
  cli: {
    values: ['index.ts', 'errors.ts', 'secret-file.ts', 'model/attributes.ts', 'model/text.ts'],
    types: ['model'],
  },
};

const ENTRY = new Set(['index.ts', 'open.ts']);

test('every file of src is in a room that has a rule', () => {
  const rooms = new Set(readdirSync(SRC, { withFileTypes: true }).map((entry) => entry.name));
  rooms.delete('index.ts');
  rooms.delete('open.ts');
  expect([...rooms].sort()).toEqual(Object.keys(ROOMS).sort());
});

test('imports point one way', () => {
  const breaches = all.filter(({ from, to, typeOnly }) => {
    if (ENTRY.has(from) || isPackage(to) || room(to) === room(from)) return false;
    const { values, types = [] } = ROOMS[room(from)]!;
    const allowed = typeOnly ? [...values, ...types] : values;
    return !allowed.some((one) => to === one || room(to) === one);
  });
  expect(breaches).toEqual([]);
});

test('nothing imports the index but the command line, which nothing imports', () => {
  expect(all.filter(({ from, to }) => to === 'index.ts' && room(from) !== 'cli')).toEqual([]);
  expect(all.filter(({ to }) => to === 'open.ts').map(({ from }) => from)).toEqual(['index.ts']);
  expect(all.filter(({ from, to }) => room(to) === 'cli' && room(from) !== 'cli')).toEqual([]);
});

/** Each package has one importer; a Node module that is not listed is everybody's. */
const DOORS: Record<string, RegExp> = {
  piscina: /^pool\/piscina\.ts$/,
  'msgpackr/pack': /^wire\/codec\.ts$/,
  'prom-client': /^observe\/metrics\.ts$/,
  '@opentelemetry/api': /^observe\/opentelemetry\.ts$/,
  lmdb: /^keystore\/lmdb(-module)?\.ts$/,
  commander: /^cli\//,
  '@inquirer/confirm': /^cli\/terminal\.ts$/,
  '@inquirer/input': /^cli\/terminal\.ts$/,
  '@inquirer/password': /^cli\/terminal\.ts$/,
  'cli-progress': /^cli\/progress\.ts$/,
  pino: /^cli\/log\.ts$/,
  'node:fs': /^(keystore\/|audit\/|cli\/|(open|secret-file|descriptors)\.ts$|cell\/entropy\.ts$)/,
  'node:fs/promises': /^(keystore\/|audit\/|open\.ts$)/,
  'node:net': /^(keystore\/lock|cli\/files)\.ts$/,
};

test('each library has its door', () => {
  const packages = all.filter(({ to }) => isPackage(to));
  expect(packages.filter(({ from, to }) => DOORS[to] !== undefined && !DOORS[to].test(from))).toEqual([]);
  const unknown = packages.filter(
    ({ to }) => !to.startsWith('node:') && DOORS[to] === undefined && !to.endsWith('.json'),
  );
  expect(unknown).toEqual([]);
});

test('importing keycell loads no package and little of ours: the rest comes with the first HSM', () => {
  const loaded = new Set(['index.ts']);
  for (const file of loaded) {
    for (const { to, typeOnly, later } of all.filter(({ from }) => from === file)) {
      if (!typeOnly && !later) loaded.add(to);
    }
  }
  expect([...loaded].filter((to) => isPackage(to) && !to.startsWith('node:'))).toEqual([]);
  expect([...new Set([...loaded].filter((to) => !isPackage(to)).map(room))].sort()).toEqual([
    'audit',
    'descriptors.ts',
    'errors.ts',
    'index.ts',
  ]);
});

test('only the pool starts threads', () => {
  const starts = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && /new (Worker|Piscina)\(/.test(readFileSync(join(SRC, file), 'utf8')))
    .map(room);
  expect(new Set(starts)).toEqual(new Set(['pool']));
});

test('in the core, primitives import ct, bytes and layout and each other, and nothing imports the index', () => {
  const core = imports(join(ROOT, 'assembly'), '.ts');
  expect(core.filter(({ to }) => to === 'index')).toEqual([]);
  const ground = ['ct', 'lookup', 'bytes', 'layout'];
  const upward = core.filter(({ from, to }) => ground.includes(from.replace('.ts', '')) && !ground.includes(to));
  expect(upward).toEqual([]);
});

test('in the core, only ct builds masks and only bytes swaps them', () => {
  const files = readdirSync(join(ROOT, 'assembly'), { recursive: true, encoding: 'utf8' }).filter((f) =>
    f.endsWith('.ts'),
  );
  const using = (pattern: RegExp) => files.filter((f) => pattern.test(readFileSync(join(ROOT, 'assembly', f), 'utf8')));
  expect(using(/\bbswap\b/)).toEqual(['bytes.ts']);
  // ct.ts names it in the comment that forbids it.
  expect(using(/\bselect</)).toEqual(['ct.ts']);
});
