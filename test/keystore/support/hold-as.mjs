// Holds a folder under a pid that is not its own, as a process of another pid namespace does. argv: folder, pid.
import { linkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const claim = join(process.argv[2], `lock-${process.argv[3]}-0123456789abcdef`);
createServer((socket) => socket.destroy()).listen(claim, () => {
  linkSync(claim, `${claim}.held`);
  process.stdout.write('held\n');
});
