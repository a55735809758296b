/** docs/jose.md: its snippet runs, and what it says of npm jose is so. */
import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { ephemeral } from '../operations/support.ts';
import { expectSnippet } from '../support/snippet.ts';

const hsm = ephemeral();

test("the page's snippet runs as pasted", () => expectSnippet('docs/jose.md'));

test('npm jose takes no handle for a key', async () => {
  const key = await hsm.session.generateKey({
    ...{ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'], persistent: false },
  });
  const signing = new SignJWT({}).setProtectedHeader({ alg: 'ES256' }).sign(key as never);
  await expect(signing).rejects.toThrow(TypeError);
});
