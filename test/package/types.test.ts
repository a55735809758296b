/** The types as a consumer's compiler sees them: the design's programs against the tarball, libraries checked, too. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { emptyFolder, node, ROOT, unpack } from './support/package.ts';

const COMPILERS = { '5.9': 'typescript-5', '6.0': 'typescript-6', '7.0': 'typescript' };
const SETTINGS = [
  { module: 'nodenext', moduleResolution: 'nodenext', exactOptionalPropertyTypes: true },
  { module: 'node16', moduleResolution: 'node16', exactOptionalPropertyTypes: false },
  { module: 'esnext', moduleResolution: 'bundler', exactOptionalPropertyTypes: false },
  { module: 'preserve', moduleResolution: 'bundler', exactOptionalPropertyTypes: true },
];

const folder = emptyFolder();
unpack(folder, '@types/node', 'prom-client', '@opentelemetry/api', 'jose');
const programs = join(folder, 'programs');
mkdirSync(programs);
/** A program of test/types as a consumer writes it. */
const program = (name: string) =>
  readFileSync(join(ROOT, 'test/types', name), 'utf8')
    .replaceAll("'../../src/index.ts'", "'keycell'")
    .replaceAll("'../../src/jose/index.ts'", "'keycell/jose'");
for (const name of ['design.ts', 'public-keys.ts']) writeFileSync(join(programs, name), program(name));
// Where the DOM's types are, their JsonWebKey stands for what is spelled out elsewhere.
const dom = join(folder, 'dom');
mkdirSync(dom);
const spelledOut = /interface DomJsonWebKey \{[\s\S]*?\n\}\n/;
writeFileSync(
  join(dom, 'public-keys.ts'),
  program('public-keys.ts').replace(spelledOut, 'type DomJsonWebKey = JsonWebKey;\n'),
);
writeFileSync(
  join(programs, 'entries.ts'),
  `import { type EcKey, openEphemeralHsm, openHsm, type HsmChannels, type HsmStats, type Session } from 'keycell';
import { decryptJwe, encryptJwe, jwks, signJwt, verifyJwt } from 'keycell/jose';
import { registerMetrics } from 'keycell/metrics';
import { instrument } from 'keycell/opentelemetry';
import { type CryptoKey, webcrypto } from 'keycell/webcrypto';
import { trace } from '@opentelemetry/api';
import { Registry } from 'prom-client';

export async function entries(): Promise<HsmStats> {
  const hsm = await openHsm({ path: 'hsm', assets: new URL('file:///srv/assets/') });
  const { hsm: other } = await openEphemeralHsm({ assets: 'assets' });
  const stop: (() => void)[] = [instrument(hsm), instrument(other, { tracer: trace.getTracer('x') })];
  stop.push(registerMetrics(hsm), registerMetrics(other, { register: new Registry(), prefix: 'other_' }));
  // @ts-expect-error: no such option
  registerMetrics(hsm, { labels: {} });
  for (const end of stop) end();
  return hsm.stats();
}
export async function doors(session: Session, key: EcKey): Promise<string | undefined> {
  const token: string = await signJwt(session, key, { sub: 'alice' }, { expiresIn: 60 });
  const { claims } = await verifyJwt(session, [key, ...(await jwks(session)).keys], token, { issuer: ['a'] });
  const jwe = await encryptJwe(session, key.jwk, new Uint8Array(1), { enc: 'A128GCM' });
  const opened: Uint8Array<ArrayBuffer> = (await decryptJwe(session, key, jwe)).plaintext;
  const crypto = webcrypto(session);
  const { privateKey }: { privateKey: CryptoKey } = crypto.keyPair(key, 'ECDSA');
  await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, opened);
  // @ts-expect-error: it signs by no such algorithm
  await signJwt(session, key, {}, { header: { alg: 'none' } });
  return claims.sub;
}
export const outcome = (message: HsmChannels['keycell:batch']): 'answered' | 'withheld' | 'lost' => message.outcome;
export const whose = (message: HsmChannels['keycell:cell-restart']): number => message.cell;
// @ts-expect-error: ours is not the world's: no type of WebAssembly comes with the package
export type Leak = WebAssembly.Module;
`,
);
// Only where `require` of a module is known to the compiler.
writeFileSync(
  join(folder, 'required.cts'),
  `import keycell = require('keycell');\nexport const open = keycell.openHsm;\n`,
);

function compile(compiler: string, options: Record<string, unknown>, include: string[]): string {
  const config = join(folder, 'tsconfig.json');
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023'],
    types: ['node'],
    strict: true,
    skipLibCheck: false,
    noEmit: true,
    ...options,
  };
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(config, JSON.stringify({ compilerOptions, include }));
  const name = compiler === 'typescript' ? 'tsc.js' : '_tsc.js';
  try {
    return node(folder, join(ROOT, 'node_modules', compiler, 'lib', name), '-p', config);
  } catch (error) {
    return (error as Error).message;
  }
}

describe.each(Object.entries(COMPILERS))('TypeScript %s', (version, compiler) => {
  test('is that version', () => {
    expect(JSON.parse(readFileSync(join(ROOT, 'node_modules', compiler, 'package.json'), 'utf8')).version).toMatch(
      version,
    );
  });

  test.each(SETTINGS)('$module, exactOptionalPropertyTypes $exactOptionalPropertyTypes', (settings) => {
    expect(compile(compiler, settings, ['programs'])).toBe('');
  });

  test('beside the types of the DOM', () => {
    expect(compile(compiler, { module: 'nodenext', lib: ['es2023', 'dom', 'dom.asynciterable'] }, ['dom'])).toBe('');
  });

  test('CommonJS requires it', () => {
    expect(compile(compiler, { module: 'nodenext' }, ['required.cts'])).toBe('');
  });
});

test('a program that is wrong does not compile: the runs above can fail', () => {
  const wrong = join(folder, 'wrong.ts');
  writeFileSync(wrong, `import { openHsm } from 'keycell';\nopenHsm({ path: 7 });\n`);
  expect(compile('typescript', { module: 'nodenext' }, ['wrong.ts'])).toContain("Type 'number' is not assignable");
});
