/** The members that calls let pass are those of their types, all of them and no others: neither can forget one. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript-6';
import { expect, test } from 'vitest';
import { MEMBERS } from '../../src/hsm/members.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The types whose members each list has; H is src/model/hsm.ts, K is src/model/key.ts. */
const TYPES: Record<keyof typeof MEMBERS, string> = {
  call: 'H.CallOptions',
  openHsm: 'H.OpenOptions',
  openEphemeralHsm: 'H.EphemeralOptions',
  lockout: 'H.LockoutOptions',
  quotas: 'H.Quotas',
  initialize: 'H.InitializeOptions',
  admin: "H.InitializeOptions['admin']",
  login: 'H.LoginOptions',
  unseal: "Parameters<H.Hsm['unseal']>[1]",
  check: 'H.CheckOptions',
  close: "Parameters<H.Hsm['close']>[0]",
  createUser: 'H.NewUser',
  setPassword: "Parameters<H.Session['setPassword']>[2]",
  template: 'K.KeyTemplate | K.PartialTemplate | H.PublicKeyTemplate | (K.KeyTemplate & { readonly label: string })',
  pattern: 'K.KeyPattern',
  rewrapPolicy: 'K.IssuerPolicy',
  filter: 'H.KeyFilter',
  importKey: "Parameters<H.Session['importKey']>[2]",
  sign: 'H.SignOptions',
  envelope: 'H.EnvelopeOptions',
  cipher: 'H.GcmEncryptOptions | H.GcmDecryptOptions | H.BlockModeEncryptOptions | H.BlockModeDecryptOptions',
  reencrypt: 'H.ReencryptOptions',
  stream: "Parameters<H.Session['encryptStream']>[1] | Parameters<H.Session['decryptStream']>[1]",
  generateDataKey: "Parameters<H.Session['generateDataKey']>[1]",
  wrap: 'H.WrapOptions',
  rewrapToKey: 'H.RewrapToKeyOptions',
  rewrapToJwe: 'H.RewrapToJweOptions',
  jwkRecipient: 'Exclude<Extract<H.Recipient, { jwk: unknown }>, K.Key>',
  spkiRecipient: 'Extract<H.Recipient, { spki: unknown }>',
  agree: "Extract<H.DeriveOptions, { mechanism: 'ECDH' }>",
  derive: "Extract<H.DeriveOptions, { mechanism: 'KDF' }>",
  kdf: 'H.Kdf',
};
/** Its members are changes, which have a list of their own beside this one. */
const CHANGES = 'H.KeyChanges';

const SOURCE = join(ROOT, 'src/model/members-as-types.ts');
const TEXT = [
  "import type * as H from './hsm.ts';",
  "import type * as K from './key.ts';",
  ...Object.entries({ ...TYPES, CHANGES }).map(([name, type]) => `export type ${name} = ${type};`),
  'export type { Hsm, Session } from "./hsm.ts";',
].join('\n');

function programOf() {
  const config = ts.readConfigFile(join(ROOT, 'tsconfig.build.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (file) => file === SOURCE || fileExists(file);
  host.readFile = (file) => (file === SOURCE ? TEXT : readFile(file));
  host.getSourceFile = (file, ...rest) =>
    file === SOURCE ? ts.createSourceFile(file, TEXT, rest[0], true) : getSourceFile(file, ...rest);
  return ts.createProgram([SOURCE], { ...options, noEmit: true }, host);
}

const program = programOf();
const checker = program.getTypeChecker();
const source = program.getSourceFile(SOURCE)!;
const exported = new Map(
  checker.getExportsOfModule(checker.getSymbolAtLocation(source)!).map((each) => [each.name, each]),
);

const typeNamed = (name: string): ts.Type => {
  const symbol = exported.get(name)!;
  const own = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return checker.getDeclaredTypeOfSymbol(own);
};
const branchesOf = (type: ts.Type): ts.Type[] => {
  const whole = checker.getNonNullableType(checker.getBaseConstraintOfType(type) ?? type);
  return whole.isUnion() ? whole.types.flatMap(branchesOf) : [whole];
};
const membersOf = (type: ts.Type): string[] => checker.getPropertiesOfType(type).map(({ name }) => name);
const sorted = (names: Iterable<string>): string => [...new Set(names)].sort().join(' ');

test('the types are read', () => {
  expect(program.getSemanticDiagnostics(source).map(({ messageText }) => messageText)).toEqual([]);
});

test.each(Object.keys(TYPES) as (keyof typeof MEMBERS)[])('%s', (name) => {
  expect(sorted(MEMBERS[name])).toBe(sorted(branchesOf(typeNamed(name)).flatMap(membersOf)));
});

/** Not bags: bytes, functions, keys, JWKs, lists, iterables. */
function isBag(type: ts.Type): boolean {
  if (!(type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) || checker.isArrayType(type)) return false;
  const names = membersOf(type);
  const others = ['byteLength', 'neverExtractable', 'kty', 'length'];
  return (
    type.getCallSignatures().length === 0 && !names.some((each) => others.includes(each) || each.startsWith('__@'))
  );
}

test('every bag of every call is one of these', () => {
  const known = new Set(
    [...Object.keys(TYPES), 'CHANGES'].flatMap((n) => branchesOf(typeNamed(n)).map((each) => sorted(membersOf(each)))),
  );
  const seen: string[] = [];
  for (const owner of ['Hsm', 'Session']) {
    for (const method of checker.getPropertiesOfType(typeNamed(owner))) {
      for (const signature of checker.getTypeOfSymbol(method).getCallSignatures()) {
        for (const parameter of signature.getParameters()) {
          for (const branch of branchesOf(checker.getTypeOfSymbol(parameter)).filter(isBag)) {
            const call = `${owner}.${method.name} ${parameter.name}`;
            expect([call, sorted(membersOf(branch)), known.has(sorted(membersOf(branch)))]).toEqual([
              call,
              sorted(membersOf(branch)),
              true,
            ]);
            seen.push(call);
          }
        }
      }
    }
  }
  expect(new Set(seen).size).toBeGreaterThan(35);
});
