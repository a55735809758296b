/**
 * SoftHSM2 through pkcs11js, where a person has installed both. pkcs11js is compiled on installation, so it is no
 * dependency: it is looked for from the current folder, or in the folder that --pkcs11js names.
 */
import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { keepInFlight } from '../measure.mjs';

const LIBRARIES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];
export const HOW_TO_INSTALL =
  'apt install softhsm2; npm install --prefix ~/pkcs11 pkcs11js; then --pkcs11js ~/pkcs11 (SOFTHSM2_LIB names another library)';

const P256_OID = Buffer.from('06082a8648ce3d030107', 'hex');
const SPKI_P256 = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');
const PIN = '1234';

/** @param {string | undefined} folder Whose node_modules has pkcs11js. Undefined where library or binding are missing. */
export function openSoftHsm(folder) {
  const library = process.env.SOFTHSM2_LIB ?? LIBRARIES.find((path) => existsSync(path));
  if (library === undefined) return undefined;
  let pkcs11js;
  try {
    pkcs11js = createRequire(join(resolve(folder ?? '.'), 'here.js'))('pkcs11js');
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
  return new SoftHsm(pkcs11js, library);
}

class SoftHsm {
  name = 'SoftHSM2';
  #js;
  #module;
  #slot;
  #folder = mkdtempSync(join(tmpdir(), 'keycell-softhsm-'));

  constructor(js, library) {
    this.#js = js;
    mkdirSync(join(this.#folder, 'tokens'));
    const config = join(this.#folder, 'softhsm2.conf');
    writeFileSync(config, `directories.tokendir = ${this.#folder}/tokens\nlog.level = ERROR\n`);
    process.env.SOFTHSM2_CONF = config;
    this.#module = new js.PKCS11();
    this.#module.load(library);
    this.#module.C_Initialize({ flags: js.CKF_OS_LOCKING_OK });
    this.#module.C_InitToken(this.#module.C_GetSlotList(true)[0], PIN, 'bench');
    // An initialised token gets a slot of its own.
    this.#slot = this.#module
      .C_GetSlotList(true)
      .find((slot) => this.#module.C_GetTokenInfo(slot).label.startsWith('bench'));
    const session = this.#open();
    this.#module.C_Login(session, js.CKU_SO, PIN);
    this.#module.C_InitPIN(session, PIN);
    this.#module.C_Logout(session);
    this.#module.C_Login(session, js.CKU_USER, PIN);
  }

  #open() {
    return this.#module.C_OpenSession(this.#slot, this.#js.CKF_SERIAL_SESSION | this.#js.CKF_RW_SESSION);
  }

  /** A rival that signs the message with P-256: a session a core on the thread pool, or one on this thread if that is faster. */
  async signing(message) {
    const js = this.#js;
    const session = this.#open();
    const keys = this.#module.C_GenerateKeyPair(
      session,
      { mechanism: js.CKM_EC_KEY_PAIR_GEN },
      [
        { type: js.CKA_EC_PARAMS, value: P256_OID },
        { type: js.CKA_VERIFY, value: true },
      ],
      [{ type: js.CKA_SIGN, value: true }],
    );
    const digest = () => createHash('sha256').update(message).digest();
    const mechanism = { mechanism: js.CKM_ECDSA };
    const sync = () => {
      this.#module.C_SignInit(session, mechanism, keys.privateKey);
      return this.#module.C_Sign(session, digest(), Buffer.alloc(64));
    };
    this.#check(sync(), message, session, keys.publicKey);

    const idle = Array.from({ length: availableParallelism() }, () => this.#open());
    const lanes = idle.length;
    const async = async () => {
      const own = idle.pop();
      try {
        this.#module.C_SignInit(own, mechanism, keys.privateKey);
        return await this.#module.C_SignAsync(own, digest(), Buffer.alloc(64));
      } finally {
        idle.push(own);
      }
    };
    this.#check(await async(), message, session, keys.publicKey);

    const total = 256;
    const inTurn = async () => {
      for (let i = 0; i < total; i++) sync();
    };
    const pooled = () => keepInFlight(async, lanes, total);
    const cost = async (run) => {
      await run();
      const began = performance.now();
      await run();
      return performance.now() - began;
    };
    const run = (await cost(inTurn)) <= (await cost(pooled)) ? inTurn : pooled;
    this.name = run === inTurn ? 'SoftHSM2, on one thread' : `SoftHSM2, ${lanes} sessions`;
    return { run, operations: total };
  }

  #check(signature, message, session, publicKey) {
    const [{ value }] = this.#module.C_GetAttributeValue(session, publicKey, [{ type: this.#js.CKA_EC_POINT }]);
    const key = createPublicKey({ key: Buffer.concat([SPKI_P256, value.subarray(-65)]), format: 'der', type: 'spki' });
    assert(verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature));
  }

  close() {
    this.#module.C_Finalize();
    this.#module.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
