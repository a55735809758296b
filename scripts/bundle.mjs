// The last step of the build: what dist takes from other packages goes into it, so that an install brings two packages, ours
// and lmdb's binary for the machine, and nobody's choice of versions is another than the tested one.
//
//   dist/assets/        what a thread starts from, Piscina and lmdb: files that a bundled program copies beside itself
//   dist/wire/codec.js  with msgpackr
//   dist/cli/           the command line in one file, with what it loads now and then in others beside it
//
// Each library has one importer (test/house/imports.test.ts); `dist/THIRD-PARTY-LICENSES` is of all of them.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { build } from 'esbuild';

const ASSETS = 'dist/assets';
const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  logLevel: 'warning',
  legalComments: 'inline',
  metafile: true,
  // msgpackr's native addon takes longer to load than it saves on our short values.
  define: { 'process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED': '"true"' },
};

rmSync(ASSETS, { recursive: true, force: true });
mkdirSync(join(ASSETS, 'lmdb'), { recursive: true });
const assets = await Promise.all([
  build({
    ...common,
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    entryPoints: {
      cell: 'dist/cell/worker.js',
      warden: 'dist/cell/warden/worker.js',
      hasher: 'dist/cell/warden/hasher.js',
    },
    outdir: ASSETS,
  }),
  // Piscina starts `worker.js` beside itself; its native addon for nice values is optional and not used.
  build({
    ...common,
    format: 'cjs',
    entryPoints: { piscina: 'node_modules/piscina/dist/main.js', worker: 'node_modules/piscina/dist/worker.js' },
    external: ['@napi-rs/nice'],
    outdir: ASSETS,
  }),
  build({
    ...common,
    format: 'cjs',
    entryPoints: ['node_modules/lmdb/dist/index.cjs'],
    // Not loaded as it is defined above; of another runtime.
    external: ['msgpackr-extract', 'bun:ffi'],
    outfile: `${ASSETS}/lmdb/index.js`,
  }),
]);
for (const file of ['core.wasm', 'core-relaxed.wasm', 'probe.wasm', 'core.sha256']) {
  copyFileSync(`dist/cell/${file}`, `${ASSETS}/${file}`);
}
for (const folder of ['dist/pool', ASSETS]) copyFileSync('src/pool/thread.cjs', `${folder}/thread.cjs`);
// Whatever the program's own package.json says of its .js files.
writeFileSync(`${ASSETS}/package.json`, '{ "type": "commonjs" }\n');
// By this name lmdb finds its binary, @lmdb/lmdb-PLATFORM-ARCH.
const { name, version, license } = manifest('node_modules/lmdb');
writeFileSync(`${ASSETS}/lmdb/package.json`, `${JSON.stringify({ name, version, license, type: 'commonjs' })}\n`);
// Whoever copies the folder has our own with it.
writeFileSync(
  `${ASSETS}/LICENSES`,
  `keycell\n\n${readFileSync('LICENSE', 'utf8').trim()}\n\n${'-'.repeat(80)}\n\n${licences(assets)}`,
);

const codec = await build({
  ...common,
  format: 'esm',
  entryPoints: ['dist/wire/codec.js'],
  outfile: 'dist/wire/codec.js',
  allowOverwrite: true,
  plugins: [staysOutside('dist/wire')],
});

const cli = await build({
  ...common,
  format: 'esm',
  splitting: true,
  entryPoints: ['dist/cli/main.js'],
  outdir: 'dist/cli',
  chunkNames: 'part-[hash]',
  // Libraries that are CommonJS ask for Node's modules by it.
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
  },
  plugins: [staysOutside('dist/cli', 'dist/cli')],
  write: false,
});
rmSync('dist/cli', { recursive: true });
mkdirSync('dist/cli');
for (const { path, contents } of cli.outputFiles) writeFileSync(path, contents);

writeFileSync('dist/THIRD-PARTY-LICENSES', licences([...assets, codec, cli]));

/** Our other files are imported and not copied: what is `instanceof HsmError` here is so there. */
function staysOutside(folder, inside) {
  return {
    name: 'stays-outside',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ kind, path, resolveDir }) => {
        if (kind === 'entry-point' || /[\\/]node_modules[\\/]/.test(resolveDir)) return undefined;
        const target = resolve(resolveDir, path);
        if (inside !== undefined && !relative(inside, target).startsWith('..')) return undefined;
        const shown = relative(folder, target).replaceAll('\\', '/');
        return { path: shown.startsWith('.') ? shown : `./${shown}`, external: true };
      });
    },
  };
}

function manifest(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/** The licence of every package that something of these builds is from. */
function licences(builds) {
  const inputs = builds.flatMap(({ metafile }) =>
    Object.values(metafile.outputs).flatMap((output) =>
      Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
    ),
  );
  const folders = new Set(inputs.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]));
  folders.delete(undefined);
  const texts = [...folders].map((folder) => [title(folder), licenceOf(folder)]);
  texts.sort(([a], [b]) => (a < b ? -1 : 1));
  return texts.map(([head, text]) => `${head}\n\n${text.trim()}\n`).join(`\n${'-'.repeat(80)}\n\n`);
}

function title(folder) {
  const { name, version } = manifest(folder);
  return `${name} ${version}`;
}

function licenceOf(folder) {
  const file = readdirSync(folder).find((each) => /^licen[cs]e(\.\w+)?$/i.test(each));
  if (file !== undefined) return readFileSync(join(folder, file), 'utf8');
  const { license, author, repository } = manifest(folder);
  // Its package says which, and has no copy.
  if (license !== 'MIT') throw new Error(`${folder} has no licence file`);
  const [, terms] = /(Permission is hereby granted[\s\S]*)/.exec(readFileSync('node_modules/lmdb/LICENSE', 'utf8'));
  const who = typeof author === 'string' ? author : author?.name;
  return `MIT, as its package.json says (${repository?.url ?? repository})\nCopyright (c) ${who}\n\n${terms}`;
}
