// Holds the folder of an HSM until it is killed. argv: folder.
import { openHsm } from '../../../dist/index.js';

await openHsm({ path: process.argv[2], create: true, workers: 1 });
process.stdout.write('open');
setInterval(() => {}, 1000);
