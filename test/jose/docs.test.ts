/** What docs/jose.md says of npm jose is so. */
import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { ephemeral } from '../operations/support.ts';

const hsm = ephemeral();

test('npm jose takes no handle for a key', async () => {
  const key = await hsm.session.generateKey({
    ...{ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'], persistent: false },
  });
  const signing = new SignJWT({}).setProtectedHeader({ alg: 'ES256' }).sign(key as never);
  await expect(signing).rejects.toThrow(TypeError);
});
