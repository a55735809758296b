// A signing service in a container: it starts unsealed, from credentials that are files.
//
//   node server.mjs init    once: makes the HSM in $KEYCELL_DATA, its officer, and the user that the service logs in as
//   node server.mjs         serves GET /health, GET /key (SPKI), POST /sign (the body's signature)
import { createServer } from 'node:http';
import { join } from 'node:path';
import { HsmError, openHsm, secretFile } from 'keycell';

const data = process.env.KEYCELL_DATA ?? '/data';
// systemd names its folder (LoadCredential=); Docker and Kubernetes mount secrets at /run/secrets.
const credentials = process.env.CREDENTIALS_DIRECTORY ?? '/run/secrets';
// Without the newline that `echo` leaves at its end, as `keycell` reads it too.
const credential = (name) => secretFile(join(credentials, name));

const MESSAGE_MAX = 64 * 1024;
const SERVICE = 'signing-service';

async function init() {
  const hsm = await openHsm({ path: data, create: true });
  try {
    await hsm.initialize({
      passphrase: credential('keycell.passphrase'),
      admin: { name: 'officer', password: credential('keycell.officer') },
    });
    const officer = await hsm.login({ user: 'officer', password: credential('keycell.officer') });
    await officer.createUser({ name: SERVICE, role: 'crypto-user', password: credential('keycell.service') });
    console.log(`initialised ${hsm.id}`);
  } finally {
    await hsm.close();
  }
}

async function serve() {
  const hsm = await openHsm({ path: data, unseal: credential('keycell.passphrase') }).catch((error) => {
    if (error.code !== 'KEYCELL_STORE_MISSING') throw error;
    throw new Error(`${data} holds no HSM: is its volume mounted? To make one, run "node server.mjs init" once`);
  });
  const login = () => hsm.login({ user: SERVICE, password: credential('keycell.service') });
  let session = await login();
  const key = await session.ensureKey({
    type: 'EC',
    curve: 'P-256',
    label: 'service-signing',
    usage: ['sign', 'verify'],
  });
  // A session lives 15 minutes, and 12 hours renewed: logging in anew each time is simpler than both.
  const renewal = setInterval(async () => {
    const before = session;
    session = await login();
    await before.close();
  }, 10 * 60_000);

  const server = createServer(async (request, response) => {
    const answer = (status, type, body) => response.writeHead(status, { 'content-type': type }).end(body);
    try {
      if (request.method === 'GET' && request.url === '/health') {
        const { state, cells, queued } = hsm.stats();
        answer(state === 'ready' ? 200 : 503, 'application/json', JSON.stringify({ state, cells, queued }));
      } else if (request.method === 'GET' && request.url === '/key') {
        answer(200, 'application/octet-stream', key.publicKey);
      } else if (request.method === 'POST' && request.url === '/sign') {
        answer(200, 'application/octet-stream', await session.sign(key, await body(request), { format: 'der' }));
      } else answer(404, 'text/plain', 'not found\n');
    } catch (error) {
      if (!(error instanceof HsmError)) answer(400, 'text/plain', 'bad request\n');
      else answer(error.retryable ? 503 : 500, 'text/plain', `${error.code}\n`);
    }
  });
  server.listen(Number(process.env.PORT ?? 8080), () => {
    console.log(`${hsm.state} on port ${server.address().port}, uid ${process.getuid()}`);
  });
  // The answers in hand first, then the HSM: it flushes its log and wipes its keys.
  process.once('SIGTERM', () => {
    clearInterval(renewal);
    server.close(() => hsm.close());
  });
}

async function body(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MESSAGE_MAX) throw new Error('too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

try {
  await (process.argv[2] === 'init' ? init() : serve());
} catch (error) {
  console.error(error instanceof HsmError ? `${error.code}: ${error.message}` : error.message);
  process.exitCode = 1;
}
