// Makes dist/assets: what a bundled program copies beside itself, since a thread starts from a file of its own.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const OUT = 'dist/assets';
rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });

const common = { bundle: true, platform: 'node', target: 'node20.19', logLevel: 'warning', legalComments: 'inline' };
await Promise.all([
  build({
    ...common,
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    entryPoints: {
      cell: 'dist/cell/worker.js',
      warden: 'dist/cell/warden/worker.js',
      hasher: 'dist/cell/warden/hasher.js',
    },
    outdir: OUT,
  }),
  // Piscina starts `worker.js` beside itself; its native addon for nice values is optional and not used.
  build({
    ...common,
    format: 'cjs',
    entryPoints: { piscina: 'node_modules/piscina/dist/main.js', worker: 'node_modules/piscina/dist/worker.js' },
    external: ['@napi-rs/nice'],
    outdir: OUT,
  }),
]);
for (const file of ['core.wasm', 'core-relaxed.wasm', 'probe.wasm', 'core.sha256']) {
  copyFileSync(`dist/cell/${file}`, `${OUT}/${file}`);
}
for (const folder of ['dist/pool', OUT]) copyFileSync('src/pool/thread.cjs', `${folder}/thread.cjs`);
// Whatever the program's own package.json says of its .js files.
writeFileSync(`${OUT}/package.json`, '{ "type": "commonjs" }\n');
const licence = (name, file) => `${name}\n\n${readFileSync(`node_modules/${name}/${file}`, 'utf8')}`;
writeFileSync(`${OUT}/LICENSES`, `${licence('piscina', 'LICENSE')}\n\n${licence('msgpackr', 'LICENSE')}`);
