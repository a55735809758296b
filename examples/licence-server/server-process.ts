/**
 * The server in a process of its own, so that its memory, its processor time and its answers are its own alone.
 * `server-process keycell` or `server-process node`; the demo gives the rest, and its commands, by IPC.
 */
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Hsm, openHsm, secretFile } from 'keycell';
import { NodeVault } from './baseline.ts';
import { type Catalogue, makeCatalogue } from './catalogue.ts';
import { answerCalls } from './ipc.ts';
import { KeycellVault } from './keycell-vault.ts';
import { createLicenceServer } from './server.ts';
import { steal } from './thief.ts';
import type { DeviceJwk, Vault } from './vault.ts';

export interface StartOptions {
  /** The HSM's folder, the catalogue's file and the secrets lie in here. */
  readonly folder: string;
  readonly shop: DeviceJwk;
  readonly titles: number;
  readonly licenceSeconds: number;
  /** 16 bytes in hex that this process holds on purpose: a search of its memory that doesn't find them finds nothing. */
  readonly canary: string;
}

/** The catalogue as the shop knows it: by its digest, an entitlement names a content key. */
export type Listing = readonly {
  readonly name: string;
  readonly kids: readonly string[];
  readonly blobs: readonly string[];
}[];

export interface Started {
  readonly url: string;
  /** Of entitlements. */
  readonly audience: string;
  readonly titles: Listing;
}

/** One title's entitlement, good for this device. */
export interface Theft {
  readonly title: string;
  readonly device: DeviceJwk;
  readonly entitlement: string;
}

const kind = process.argv[2];
let hsm: Hsm | undefined;
let vault: Vault;
let catalogue: Catalogue;
let close = async (): Promise<void> => {};
let licenceSeconds: number;
let canary: Buffer;

answerCalls(
  {
    start: async (options: StartOptions): Promise<Started> => {
      canary = Buffer.from(options.canary, 'hex');
      licenceSeconds = options.licenceSeconds;
      vault = kind === 'keycell' ? await openKeycell(options) : new NodeVault(options.shop);
      catalogue = await makeCatalogue(vault, options.titles);
      await catalogue.save(join(options.folder, `${kind}-catalogue.json`));

      const server = createLicenceServer({ vault, catalogue, issuer: 'https://licences.example', licenceSeconds });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      // Let requests in hand end, then the HSM: in this order nothing fails.
      close = async () => {
        await new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeIdleConnections();
        });
        await vault.close();
      };
      const { port } = server.address() as AddressInfo;
      return { url: `http://127.0.0.1:${port}`, audience: vault.audience, titles: listing() };
    },

    rotate: async (): Promise<Listing> => {
      await vault.rotate(catalogue.titles, licenceSeconds);
      return listing();
    },
    killCell: () => hsm!.killCell(),
    steal: ({ title, device, entitlement }: Theft) => {
      const [bought, other] = [true, false].map(
        (own) => catalogue.titles.find(({ name }) => (name === title) === own)!,
      );
      const [paid, unpaid] = [bought!, other!].map(({ stored }) => stored.blobs[0]!);
      const own = { device, entitlement, paid: paid!, unpaid: unpaid! };
      return steal((vault as KeycellVault).session, vault.audience, own);
    },
    stats: () => hsm?.stats(),
    /** Microseconds of all threads, user and system. */
    cpu: () => {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    canaryHeld: () => canary.length,
  },
  () => close(),
);

const listing = (): Listing =>
  catalogue.titles.map(({ name, kids, stored }) => ({ name, kids, blobs: stored.digests }));

async function openKeycell({ folder, shop }: StartOptions): Promise<KeycellVault> {
  // Passwords come from files, as a service manager hands them over; a function's result is wiped after use.
  const secret = (name: string) => secretFile(join(folder, 'secrets', name));
  hsm = await openHsm({ path: join(folder, 'hsm'), create: true });
  await hsm.initialize({
    passphrase: secret('passphrase'),
    admin: { name: 'officer', password: secret('officer') },
  });
  const open = hsm;
  const officer = () => open.login({ user: 'officer', password: secret('officer') });

  const admin = await officer();
  await admin.createUser({ name: 'licences', role: 'crypto-user', password: secret('licences') });
  await admin.close();

  return KeycellVault.open({
    hsm,
    shop,
    login: () => open.login({ user: 'licences', password: secret('licences') }),
    // In this example the officer sits in the same process. In a real house he runs a command, from his own desk.
    approve: async (kek) => {
      const admin = await officer();
      try {
        return await admin.setAttributes(kek, { trusted: true });
      } finally {
        await admin.close();
      }
    },
  });
}
