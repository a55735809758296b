/** An HSM in a folder of its own, with users, closed and removed when the test is over. Runs against dist/. */
import { onTestFinished } from 'vitest';
import { type Hsm, HsmError, type OpenOptions, openHsm, type Session } from '../../../dist/index.js';
import { temporaryFolder } from '../../support/child.ts';

export const PASSPHRASE = 'correct horse battery staple';
export const OFFICER = 'officer password';
export const USER = 'user password';

export const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The code of a rejection; a result makes the comparison fail. */
export const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'a result',
    (error: unknown) => (error instanceof HsmError ? error.code : `no HsmError: ${error}`),
  );

/** The error of a rejection. */
export async function errorOf(promise: Promise<unknown>): Promise<HsmError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof HsmError)) throw new Error(`expected an HsmError, got ${error}`);
  return error;
}

export async function open(options: Partial<OpenOptions> & { readonly path: string }): Promise<Hsm> {
  const hsm = await openHsm({ workers: 1, create: true, ...options });
  onTestFinished(() => hsm.close({ timeout: 1000 }).catch(() => {}));
  return hsm;
}

export const initialize = (hsm: Hsm): Promise<void> =>
  hsm.initialize({
    passphrase: PASSPHRASE,
    admin: { name: 'officer', password: OFFICER },
    scryptLog2N: 14,
  });

export const login = (hsm: Hsm, user = 'alice', password = USER): Promise<Session> => hsm.login({ user, password });

export interface Made {
  readonly path: string;
  readonly hsm: Hsm;
  readonly admin: Session;
  readonly alice: Session;
}

/** A ready HSM with an admin, and a crypto-user who is logged in. */
export async function make(options: Partial<OpenOptions> = {}): Promise<Made> {
  const path = options.path ?? temporaryFolder();
  const hsm = await open({ ...options, path });
  await initialize(hsm);
  const admin = await login(hsm, 'officer', OFFICER);
  await admin.createUser({ name: 'alice', role: 'crypto-user', password: USER });
  return { path, hsm, admin, alice: await login(hsm) };
}

export const SIGNING = { type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] } as const;
export const CIPHER = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] } as const;
export const WRAPPING = { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any' } as const;

/** Wait until `ready` says so; the test's own time limit ends it otherwise. */
export async function until(ready: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await ready())) await sleep(20);
}
