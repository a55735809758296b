/**
 * The packager encrypts the content. Raw content keys never leave the HSM, so it gets them as every device does, by
 * licence to its own key, and writes what a player would stream: samples under the 'cenc' scheme, with the original
 * beside each so that the player can compare.
 */
import { createCipheriv, randomBytes, randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answerCalls } from './ipc.ts';
import { type Device, fetchLicence, type Job, makeDevice, openLicence, type Sample } from './player.ts';

let device: Device;

answerCalls({
  device: async () => {
    device = await makeDevice();
    return { jwk: device.jwk, thumbprint: device.thumbprint };
  },

  /** Gives the demo the content keys in hex: it will look for them where they must not be. */
  package: async ({ url, folder, jobs }: { url: string; folder: string; jobs: Job[] }): Promise<string[]> => {
    await mkdir(folder, { recursive: true });
    const keysInHex: string[] = [];
    for (let first = 0; first < jobs.length; first += 16) {
      await Promise.all(
        jobs.slice(first, first + 16).map(async (job) => {
          const { status, body } = await fetchLicence(url, device, job);
          if (status !== 200) throw new Error(`the packager got no licence: ${status} ${body}`);
          const { keys } = await openLicence(url, device, job, body);
          const samples = [...keys].map(([kid, key]) => encryptSample(kid, key));
          await writeFile(join(folder, `${job.title}.json`), JSON.stringify(samples));
          for (const key of keys.values()) keysInHex.push(Buffer.from(key).toString('hex'));
        }),
      );
    }
    return keysInHex;
  },
});

/** A random sample of a few subsamples, whose protected ranges are one stream and end within blocks. */
function encryptSample(kid: string, key: Uint8Array): Sample {
  const pairs = Array.from({ length: randomInt(1, 5) }, () => ({ clear: randomInt(0, 64), secret: randomInt(1, 400) }));
  const iv = randomBytes(8);
  const auxiliary = Buffer.alloc(10 + 6 * pairs.length);
  iv.copy(auxiliary);
  auxiliary.writeUInt16BE(pairs.length, 8);

  const original = randomBytes(pairs.reduce((sum, { clear, secret }) => sum + clear + secret, 0));
  const data = Buffer.from(original);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.concat([iv, Buffer.alloc(8)]));
  let at = 0;
  pairs.forEach(({ clear, secret }, k) => {
    auxiliary.writeUInt16BE(clear, 10 + 6 * k);
    auxiliary.writeUInt32BE(secret, 12 + 6 * k);
    cipher.update(original.subarray(at + clear, at + clear + secret)).copy(data, at + clear);
    at += clear + secret;
  });
  const base64 = (bytes: Buffer) => bytes.toString('base64');
  return { kid, auxiliary: base64(auxiliary), data: base64(data), clear: base64(original) };
}
