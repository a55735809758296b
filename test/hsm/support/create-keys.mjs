// Makes keys in waves until it is killed or has made enough, and says each one's id once it is acknowledged.
// argv: folder, how many, size of a wave.
import { openHsm } from '../../../dist/index.js';
import { say } from '../../support/say.mjs';

const [path, count, wave] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const hsm = await openHsm({
  path,
  create: true,
  workers: 1,
  unseal: () => new TextEncoder().encode('correct horse battery staple'),
});
const session = await hsm.login({ user: 'alice', password: 'user password' });
say('begin\n');
for (let made = 0; made < count; made += wave) {
  await Promise.all(
    Array.from({ length: wave }, async () => {
      const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
      say(`${key.id}\n`);
    }),
  );
}
say('end\n');
await hsm.close();
