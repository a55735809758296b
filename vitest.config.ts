import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { CAVP, WYCHEPROOF } from './test/support/vectors.ts';

/**
 * The published vectors are not part of this repository. Where they are not installed, the files that read them are left
 * out, and said to be; in CI nothing is left out.
 */
function withoutVectors(): string[] {
  if (process.env['CI'] || (existsSync(WYCHEPROOF) && existsSync(CAVP))) return [];
  const root = fileURLToPath(new URL('test/', import.meta.url));
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts') && readFileSync(root + file, 'utf8').includes('support/vectors'))
    .map((file) => `test/${file}`);
  console.warn(
    `Published test vectors are missing, so these run only in CI:\n  ${files.join('\n  ')}\n` +
      `Point KEYCELL_VECTORS at Wycheproof's testvectors_v1 and KEYCELL_CAVP at Debian's python3-cryptography-vectors.`,
  );
  return files;
}

/**
 * The core has two builds. All tests run on the one that the machine gets, those of the core, its vectors and the operations
 * on the other, too: whatever a kernel has a part in. Node 20 has relaxed SIMD behind a flag, which is for tests alone.
 */
const [major] = process.versions.node.split('.').map(Number) as [number];
const chosen = process.env['KEYCELL_SIMD'] ?? (major < 22 ? 'plain' : 'relaxed');
const other = chosen === 'plain' ? 'relaxed' : 'plain';
const flags = major < 22 ? ['--experimental-wasm-relaxed-simd'] : [];

/** Operations whose tests ask what src/ decides: policy, templates, limits, handles. Any build's kernel serves for that. */
const WITHOUT_KERNELS = 'test/operations/{errors,handles,limits,policy,policy-walks,users}.test.ts';

/** What only one of the builds has: the relaxed one's floats. */
const only = (build: string) => (build === 'plain' ? ['test/core/ec-fma.test.ts'] : []);

/**
 * Where the suite is run again under another Node: what a version can change. The core and the vectors, whose code it
 * compiles; the cells, the pool and the operations; the native store; the doors; the package. (`--exclude` on the command
 * line does not reach projects.)
 */
const again = process.env['KEYCELL_AGAIN'] !== undefined;
const FILES = again
  ? [
      'test/{core,vectors,conformance,operations,wire,pool,keystore,doors,jose,observe,package}/**/*.test.ts',
      'test/hsm/{cell,death,doorbell,entropy,lifecycle,memory}.test.ts',
    ]
  : ['test/**/*.test.ts'];
/**
 * Of these the package as npm makes and installs it, what compilers say of its types, the model of policy; and how WebCrypto's
 * errors compare with Node's own, which differ from the specification elsewhere in each version: the table is Node 20's.
 */
const ONCE = again
  ? [
      'test/package/{container,contents,install,recipe,types}.test.ts',
      'test/operations/policy-walks.test.ts',
      'test/doors/faults.test.ts',
    ]
  : [];

const common = {
  testTimeout: 120_000,
  hookTimeout: 60_000,
  pool: 'forks' as const,
};

const without = withoutVectors();

export default defineConfig({
  test: {
    // As many files at a time as there are cores: vitest would leave one to itself, which is half of a small machine.
    maxWorkers: availableParallelism(),
    projects: [
      {
        test: {
          ...common,
          name: chosen,
          include: FILES,
          exclude: [...without, ...only(chosen), ...ONCE],
          env: { KEYCELL_SIMD: chosen },
        },
      },
      {
        test: {
          ...common,
          name: other,
          include: ['test/{core,vectors,conformance,operations}/**/*.test.ts'],
          exclude: [...without, ...only(other), WITHOUT_KERNELS, ...ONCE],
          env: { KEYCELL_SIMD: other },
          execArgv: other === 'relaxed' ? flags : [],
        },
      },
    ],
  },
});
