// Damage the store under an open HSM and check it. argv: folder, what to do. Prints the code of the check, then the state.
import { openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openHsm } from '../../../dist/index.js';

const [path, how] = process.argv.slice(2);
const hsm = await openHsm({ path, create: true, workers: 1 });
await hsm.initialize({ passphrase: 'p', admin: { name: 'officer', password: 'o' }, scryptLog2N: 14 });
const admin = await hsm.login({ user: 'officer', password: 'o' });
for (let i = 0; i < 40; i++) await admin.createUser({ name: `user ${i}`, role: 'admin', password: 'p' });
const file = join(path, 'keycell.mdb');
const { size } = statSync(file);
// Beside the check, changes go on.
const [{ records }] = await Promise.all([
  hsm.check(),
  admin.createUser({ name: 'more', role: 'admin', password: 'p' }),
]);
if (how === 'cut') truncateSync(file, 8192);
else writeSync(openSync(file, 'r+'), Buffer.alloc(size - 8192, 0xff), 0, size - 8192, 8192);
const code = await hsm.check().then(
  () => 'sound',
  (error) => error.code,
);
process.stdout.write(`${JSON.stringify({ records, code, state: hsm.state })}\n`);
process.exit(0);
