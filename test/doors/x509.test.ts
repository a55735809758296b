/** Certificates by @peculiar/x509 with keys that stay in the HSM, judged by openssl. */
import 'reflect-metadata';
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { expect, test } from 'vitest';
import { webcrypto } from '../../dist/doors/webcrypto/index.js';
import { ephemeral } from '../operations/support.ts';
import { temporaryFolder } from '../support/child.ts';
import { needs } from '../support/tools.ts';

const hsm = ephemeral();
const CURVES = [
  { curve: 'P-256', hash: 'SHA-256', named: 'prime256v1' },
  { curve: 'P-384', hash: 'SHA-384', named: 'secp384r1' },
] as const;
const DAY = 86_400_000;

const openssl = (folder: string, ...args: string[]): string =>
  execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

test.each(CURVES)('a request on $curve, which openssl verifies', needs('openssl'), async ({ curve, hash, named }) => {
  const crypto = webcrypto(hsm.session);
  const handle = await hsm.session.generateKey({ type: 'EC', curve, usage: ['sign', 'verify'], persistent: false });
  const csr = await x509.Pkcs10CertificateRequestGenerator.create(
    {
      name: 'CN=licences.example, O=Example',
      keys: crypto.keyPair(handle, 'ECDSA') as never,
      signingAlgorithm: { name: 'ECDSA', hash },
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'licences.example' }])],
    },
    crypto as never,
  );
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'request.pem'), csr.toString('pem'));
  const { status, stderr } = spawnSync('openssl', ['req', '-in', 'request.pem', '-verify', '-noout'], {
    ...{ cwd: folder, encoding: 'utf8' },
  });
  expect([status, stderr.trim()]).toEqual([0, 'Certificate request self-signature verify OK']);
  const text = openssl(folder, 'req', '-in', 'request.pem', '-noout', '-text');
  expect(text).toContain(`ASN1 OID: ${named}`);
  expect(text).toContain('DNS:licences.example');
  const spki = Buffer.from(handle.publicKey).toString('base64');
  expect(openssl(folder, 'req', '-in', 'request.pem', '-noout', '-pubkey').replaceAll('\n', '')).toContain(spki);
  // The library checks it too, with a public key that it brings into the HSM.
  expect(await new x509.Pkcs10CertificateRequest(csr.rawData).verify(crypto as never)).toBe(true);
});

test.each(CURVES)('a chain of three on $curve, which openssl verifies', needs('openssl'), async ({ curve, hash }) => {
  const crypto = webcrypto(hsm.session);
  const signingAlgorithm = { name: 'ECDSA', hash };
  const pair = async () => {
    const handle = await hsm.session.generateKey({ type: 'EC', curve, usage: ['sign', 'verify'], persistent: false });
    expect(handle.neverExtractable).toBe(true);
    return crypto.keyPair(handle, 'ECDSA');
  };
  const [rootKeys, issuingKeys, leafKeys] = [await pair(), await pair(), await pair()];
  const validity = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + DAY) };
  const usage = (flags: number) => new x509.KeyUsagesExtension(flags, true);
  const authority = (pathLength: number) => [
    new x509.BasicConstraintsExtension(true, pathLength, true),
    usage(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign),
  ];
  const subjectId = (keys: typeof rootKeys) =>
    x509.SubjectKeyIdentifierExtension.create(keys.publicKey as never, false, crypto as never);

  const root = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...{ name: 'CN=Root', keys: rootKeys as never, signingAlgorithm, ...validity },
      extensions: [...authority(1), await subjectId(rootKeys)],
    },
    crypto as never,
  );
  const issue = (
    subject: string,
    keys: typeof rootKeys,
    issuer: x509.X509Certificate,
    by: typeof rootKeys,
    more: x509.Extension[],
  ) =>
    x509.X509CertificateGenerator.create(
      {
        ...{ subject, issuer: issuer.subject, publicKey: keys.publicKey as never, signingKey: by.privateKey as never },
        ...{ signingAlgorithm, ...validity, extensions: more },
      },
      crypto as never,
    );
  const keyId = (issuer: x509.X509Certificate) =>
    x509.AuthorityKeyIdentifierExtension.create(issuer as never, false, crypto as never);
  const issuing = await issue('CN=Issuing', issuingKeys, root, rootKeys, [
    ...authority(0),
    await subjectId(issuingKeys),
    await keyId(root),
  ]);
  const leaf = await issue('CN=licences.example', leafKeys, issuing, issuingKeys, [
    new x509.BasicConstraintsExtension(false, undefined, true),
    usage(x509.KeyUsageFlags.digitalSignature),
    await subjectId(leafKeys),
    await keyId(issuing),
  ]);

  const folder = temporaryFolder();
  for (const [name, certificate] of Object.entries({ root, issuing, leaf })) {
    writeFileSync(join(folder, `${name}.pem`), certificate.toString('pem'));
  }
  const verify = (...args: string[]) =>
    spawnSync('openssl', ['verify', '-x509_strict', ...args], { cwd: folder, encoding: 'utf8' });
  expect(verify('-CAfile', 'root.pem', '-untrusted', 'issuing.pem', 'leaf.pem').stdout).toBe('leaf.pem: OK\n');
  expect(verify('-CAfile', 'root.pem', 'leaf.pem').status).not.toBe(0);
  expect(await leaf.verify({ publicKey: issuing.publicKey }, crypto as never)).toBe(true);
  expect(await leaf.verify({ publicKey: root.publicKey }, crypto as never)).toBe(false);

  // A certificate that the root did not sign.
  const forged = await issue('CN=Issuing', issuingKeys, root, leafKeys, [
    ...authority(0),
    await subjectId(issuingKeys),
  ]);
  writeFileSync(join(folder, 'forged.pem'), forged.toString('pem'));
  const verdict = verify('-CAfile', 'root.pem', '-untrusted', 'forged.pem', 'leaf.pem');
  expect([verdict.status === 0, /certificate signature failure/.test(verdict.stderr)]).toEqual([false, true]);
});
