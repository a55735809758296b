// `npm run measure:import`: how long `import 'keycell'` and opening an HSM take in a fresh process; medians in ms.
import { execFileSync } from 'node:child_process';

const RUNS = 21;
const PROGRAMS = {
  "import 'keycell'": "const t = performance.now(); await import('keycell'); console.log(performance.now() - t);",
  'import, and an ephemeral HSM ready': `const t = performance.now();
    const { hsm } = await (await import('keycell')).openEphemeralHsm({ workers: 1 });
    console.log(performance.now() - t);
    await hsm.close();`,
};

console.log(`Node ${process.versions.node}, ${RUNS} fresh processes each`);
for (const [name, program] of Object.entries(PROGRAMS)) {
  const times = Array.from({ length: RUNS }, () =>
    Number(execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })),
  ).sort((a, b) => a - b);
  const [least, median, most] = [times[0], times[RUNS >> 1], times[RUNS - 1]].map((ms) => ms.toFixed(1));
  console.log(`${name.padEnd(36)} median ${median.padStart(6)} ms, least ${least}, most ${most}`);
}
