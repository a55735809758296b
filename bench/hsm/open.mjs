/** An HSM as a service has it: in a folder, its log on disk, a cell a core, a crypto-user's session. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

const OFFICER = 'officer';
const USER = 'bench';

/** @param {{ workers?: number }} [options] */
export async function openBenchHsm({ workers = availableParallelism() } = {}) {
  // Not at the top: what is loaded reads KEYCELL_SIMD.
  const { openHsm } = await import('keycell');
  const folder = await mkdtemp(join(tmpdir(), 'keycell-bench-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  const password = randomBytes(24).toString('base64');
  let hsm;
  try {
    hsm = await openHsm({ path: join(folder, 'hsm'), create: true, workers });
    await hsm.initialize({ passphrase: password, admin: { name: OFFICER, password }, scryptLog2N: 14 });
    const admin = await hsm.login({ user: OFFICER, password });
    await admin.createUser({ name: USER, role: 'crypto-user', password });
    const session = await hsm.login({ user: USER, password });
    const loginAs = async (name) => {
      await admin.createUser({ name, role: 'crypto-user', password });
      return hsm.login({ user: name, password });
    };
    const close = async () => {
      await hsm.close();
      await remove();
    };
    return { hsm, session, cells: workers, login: () => hsm.login({ user: USER, password }), loginAs, close };
  } catch (error) {
    await hsm?.close();
    await remove();
    throw error;
  }
}
