// Runs off its end without hsm.close(), right after a call that nobody awaits. argv: folder, the call. Prints what became of it.
import { createServer } from 'node:http';
import { HsmError, openEphemeralHsm, openHsm } from '../../../dist/index.js';

const [path, what] = process.argv.slice(2);
const text = (s) => new TextEncoder().encode(s);
const PASSPHRASE = 'correct horse battery staple';
const USER = { user: 'alice', password: 'user password' };
const AES = { type: 'AES', bits: 256, usage: ['encrypt'] };
const SIGNER = { type: 'EC', curve: 'P-256', usage: ['sign', 'verify'], persistent: false };
const open = (options) => openHsm({ path, workers: 2, ...options });
const unsealed = () => open({ unseal: () => text(PASSPHRASE) });

async function user() {
  const hsm = await unsealed();
  const session = await hsm.login(USER);
  return { hsm, session, key: await session.generateKey(SIGNER) };
}

/** What is prepared, and awaited, before the call that is left under way. */
const CALLS = {
  nothing: async () => {
    const { hsm, session, key } = await user();
    await session.sign(key, text('m'));
    await session.generateKey({ ...AES, label: 'kept', persistent: true });
    await hsm.check();
    await session.close();
    await hsm.seal();
    await hsm.unseal(PASSPHRASE);
    return async () => {};
  },
  ephemeral: async () => {
    const { session } = await openEphemeralHsm({ workers: 2 });
    const key = await session.generateKey(SIGNER);
    return () => session.sign(key, text('m'));
  },
  'cells that restart': async () => {
    const { hsm, session, key } = await user();
    await Promise.all([hsm.killCell(0), hsm.killCell(1)]);
    return () => session.sign(key, text('m'));
  },
  initialize: async () => {
    const hsm = await openHsm({ path: `${path}/new`, workers: 1, create: true });
    const options = { passphrase: PASSPHRASE, admin: { name: 'officer', password: 'admin password' }, scryptLog2N: 14 };
    return () => hsm.initialize(options);
  },
  open: async () => unsealed,
  'open sealed': async () => open,
  unseal: async () => {
    const hsm = await open();
    return () => hsm.unseal(PASSPHRASE);
  },
  seal: async () => {
    const hsm = await unsealed();
    return () => hsm.seal();
  },
  close: async () => {
    const hsm = await unsealed();
    return () => hsm.close();
  },
  check: async () => {
    const hsm = await unsealed();
    return () => hsm.check();
  },
  login: async () => {
    const hsm = await unsealed();
    return () => hsm.login(USER);
  },
  renew: async () => {
    const { session } = await user();
    return () => session.renew();
  },
  logout: async () => {
    const { session } = await user();
    return () => session.close();
  },
  sign: async () => {
    const { session, key } = await user();
    return () => session.sign(key, text('m'));
  },
  'a lot': async () => {
    const { session, key } = await user();
    return () =>
      session.signMany(
        key,
        Array.from({ length: 1000 }, (_, i) => text(`m${i}`)),
      );
  },
  'a new key': async () => {
    const { session } = await user();
    return () => session.generateKey({ ...AES, label: 'kept', persistent: true });
  },
  'a new user': async () => {
    const hsm = await unsealed();
    const officer = await hsm.login({ user: 'officer', password: 'officer password' });
    return () => officer.createUser({ name: 'bob', role: 'crypto-user', password: 'his password' });
  },
  stream: async () => {
    const { session } = await user();
    const { readable, writable } = session.encryptStream(await session.generateKey({ ...AES, persistent: false }));
    const writer = writable.getWriter();
    return async () => {
      const ciphertext = new Response(readable).arrayBuffer();
      await writer.write(new Uint8Array(3_000_000));
      await writer.close();
      await ciphertext;
    };
  },
  server: async () => {
    const { session, key } = await user();
    const server = createServer(async (request, response) => {
      if (request.url === '/stop') {
        server.close();
        response.end();
        return;
      }
      const signature = await session.sign(key, text('m'));
      response.end(`${signature.length}`);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    console.log(`port ${server.address().port}`);
    return async () => {};
  },
};

const call = await CALLS[what]();
const told = (error) => console.log(error instanceof HsmError ? error.code : `no HsmError: ${error}`);
call().then(() => console.log('settled'), told);
