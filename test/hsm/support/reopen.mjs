// Opens an HSM that another process made, signs, closes, and ends by itself. argv: folder.
import { openHsm } from '../../../dist/index.js';

const hsm = await openHsm({ path: process.argv[2], workers: 1 });
const states = [hsm.state];
hsm.on('state', (state) => states.push(state));
await hsm.unseal('correct horse battery staple');
const session = await hsm.login({ user: 'alice', password: 'user password' });
const key = await session.getKey({ label: 'k' });
const signature = Buffer.from(await session.sign(key, new TextEncoder().encode('from there'))).toString('hex');
process.stdout.write(JSON.stringify({ id: hsm.id, key: key.id, signature, states }));
await hsm.close();
