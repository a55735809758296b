// Takes a folder's lock at once, says so, and keeps it until it is killed. argv: folder.
import { acquireLock } from '../../../dist/keystore/lock.js';

try {
  await acquireLock(process.argv[2]);
  process.stdout.write('held\n');
  setInterval(() => {}, 1000);
} catch (error) {
  process.stdout.write(`${error.code}\n`);
}
