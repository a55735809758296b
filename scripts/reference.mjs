/**
 * docs/reference.md from the declarations of the package's entries and their docstrings.
 *
 *   node scripts/reference.mjs           write it
 *   node scripts/reference.mjs --check   fail if it is not what the sources say
 *
 * TypeScript 7 has no compiler API, so this stands on `typescript-6`. Declarations are made in memory from src/, so that
 * an old dist/ cannot make an old reference. The limits are the constants of src/model/limits.ts with their comments.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript-6';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUTPUT = join(ROOT, 'docs/reference.md');

/** What the reader meets first; the rest follows as types, in the order of the sources. */
const GROUPS = [
  ['Opening an HSM', ['openHsm', 'openEphemeralHsm', 'OpenOptions', 'EphemeralOptions', 'OpenHsm', 'OpenEphemeralHsm']],
  ['Hsm', ['Hsm', 'HsmState', 'InitializeOptions', 'LoginOptions', 'HsmStats', 'CellStats', 'HistogramStats']],
  ['Events', ['HsmEvents', 'HsmChannels', 'BatchReport', 'BatchOutcome']],
  ['Session', ['Session']],
  [
    'Keys',
    [
      ...['Key', 'AesKey', 'EcKey', 'HmacKey', 'GenericKey', 'KeyOf', 'KeyType', 'KeyClass', 'Curve', 'AesBits'],
      ...['Usage', 'UsageOf', 'Extractable', 'PublicJwk', 'KeyTemplate', 'AesTemplate', 'EcTemplate', 'HmacTemplate'],
      ...['GenericTemplate', 'PublicKeyTemplate', 'KeyPattern', 'PartialTemplate', 'RewrapPolicy', 'IssuerPolicy'],
      ...['PatternInfo', 'IssuerInfo', 'Origin', 'KeyChanges', 'KeyFilter'],
    ],
  ],
  ['Options and other types', null],
  ['Errors', ['HsmError', 'HsmErrorCode', 'HsmErrorOptions', 'Outcome']],
  ['The log', ['verifyAuditLog', 'VerifyOptions', 'AuditFault', 'AuditHead']],
];
/** Interfaces whose members are calls: each gets a heading of its own. */
const SERVICES = ['Hsm', 'Session'];

const INTRODUCTION = `# Reference

Made from the docstrings by \`npm run docs\`: change those, not this page. [The guide](README.md) explains; here is every call and type that the package exports, entry by entry.

Inputs are \`Uint8Array\` and are never changed, unless an option says that they are wiped. Outputs are \`Uint8Array<ArrayBuffer>\` of their own. Where a docstring names no error: every call can fail with the codes of [errors.md](errors.md) that stand under _Load and time_ and _The life of the HSM_.
`;

const LIMITS = `What lies beyond a bound is refused before any work: with \`KEYCELL_LIMIT_EXCEEDED\`, or \`KEYCELL_INPUT_INVALID\` where the value could not be meant; in a token or a proof that comes from outside, with the code that refuses it. The cells hold to the same bounds as the calls. Not all are of one request: \`queueLimit\` requests, and 64 MiB of them, wait for a cell at most.`;

/** The entries that package.json exports, as the sources of their declarations. */
function entries() {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return Object.entries(exports)
    .filter(([, target]) => target.types !== undefined)
    .map(([name, { types }]) => ({
      name: join('keycell', name),
      file: join(ROOT, types.replace('./dist/', 'src/').replace(/\.d\.ts$/, '.ts')),
    }))
    .filter(({ file }) => existsSync(file));
}

/** A program over the declarations, as the compiler would write them to dist/. */
function declarations(files) {
  const config = ts.readConfigFile(join(ROOT, 'tsconfig.build.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, ROOT);
  const emitted = new Map();
  const sources = ts.createProgram(files, { ...options, emitDeclarationOnly: true });
  const { diagnostics } = sources.emit(undefined, (file, text) => emitted.set(file, text), undefined, true);
  if (diagnostics.length > 0) throw new Error(ts.formatDiagnostics(diagnostics, ts.createCompilerHost(options)));

  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => emitted.has(file) || fileExists(file);
  host.readFile = (file) => emitted.get(file) ?? readFile(file);
  host.getSourceFile = (file, ...rest) => {
    const text = emitted.get(file);
    return text === undefined ? getSourceFile(file, ...rest) : ts.createSourceFile(file, text, rest[0], true);
  };
  const outputs = files.map((file) => file.replace(`${ROOT}src/`, `${ROOT}dist/`).replace(/\.ts$/, '.d.ts'));
  return { program: ts.createProgram(outputs, { ...options, noEmit: true, paths: {} }, host), outputs };
}

const docOf = (symbol, checker) => ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();
/** A docstring is written to 120 columns; a page is not. Lists and code keep their lines. */
const paragraphs = (text) => text.replace(/(?<=\S)\n(?=[^\s\-*`|])/g, ' ');

/** The text of a declaration with the comments inside it, as our formatter would indent it. */
function textOf(node) {
  const text = node.getText().replace(/^export (?:declare )?|^declare /, '');
  return text.replace(/^( {4})+/gm, (indent) => indent.slice(indent.length / 2)).replaceAll(/: "([^"\n]*)"/g, ": '$1'");
}

const block = (text) => `\`\`\`typescript\n${text}\n\`\`\`\n`;

const section = (title, ...parts) => `### ${title}\n\n${parts.filter((part) => part !== '').join('\n')}`;
const prose = (text) => (text === '' ? '' : `${paragraphs(text)}\n`);

function member(owner, symbol) {
  const signatures = symbol.declarations.map(textOf).join('\n');
  const docs = symbol.declarations.map(docsOf).filter((doc) => doc !== '');
  const name = symbol.name.startsWith('__@') ? '[Symbol.asyncDispose]' : `.${symbol.name}`;
  return section(`${owner.toLowerCase()}${name}`, block(signatures), prose(docs.join('\n\n')));
}

/** The docstring right before a declaration: overloads have one each. */
function docsOf(node) {
  return ts
    .getJSDocCommentsAndTags(node)
    .filter(ts.isJSDoc)
    .map((doc) => ts.getTextOfJSDocComment(doc.comment) ?? '')
    .join('\n')
    .trim();
}

/** Declarations that an exported one builds on without being exported themselves: shown with it. */
function hiddenBases(node, checker, exported) {
  const clauses = ts.isInterfaceDeclaration(node) ? (node.heritageClauses ?? []) : [];
  return clauses.flatMap(({ types }) =>
    types.flatMap(({ expression }) => {
      const symbol = checker.getSymbolAtLocation(expression);
      const own = symbol?.declarations?.filter((each) => each.getSourceFile().fileName.startsWith(ROOT)) ?? [];
      return exported.has(symbol?.name) || own.some((each) => each.getSourceFile().fileName.includes('node_modules'))
        ? []
        : own;
    }),
  );
}

/** A constant function as its signature, a union over a table as its members: what a reader can use. */
function shownText(node, symbol, checker) {
  if (ts.isVariableDeclaration(node)) {
    const [signature] = checker.getTypeOfSymbol(symbol).getCallSignatures();
    return signature === undefined
      ? textOf(node.parent.parent)
      : `function ${symbol.name}${checker.signatureToString(signature, node)}`;
  }
  if (ts.isTypeAliasDeclaration(node) && node.type.getText().includes('typeof ')) {
    const { types } = checker.getDeclaredTypeOfSymbol(symbol);
    return `type ${symbol.name} =\n${types.map(({ value }) => `  | '${value}'`).join('\n')};`;
  }
  return textOf(node);
}

function declaration(symbol, checker, exported) {
  const { declarations } = symbol;
  // A base that is not exported is shown once, with the first that builds on it.
  const bases = declarations.flatMap((node) => hiddenBases(node, checker, exported));
  for (const { name } of bases) exported.add(name.text);
  const texts = [...bases.map(textOf), ...declarations.map((node) => shownText(node, symbol, checker))];
  return section(symbol.name, prose(docOf(symbol, checker)), block(texts.join('\n\n')));
}

function service(symbol, checker) {
  const type = checker.getDeclaredTypeOfSymbol(symbol);
  const members = type.getProperties().map((each) => member(symbol.name, each));
  return [prose(docOf(symbol, checker)), ...members].filter((part) => part !== '');
}

function entry(name, symbols, checker, known) {
  const byName = new Map(symbols.map((symbol) => [symbol.name, symbol]));
  const exported = new Set(byName.keys());
  const one = (symbol) =>
    SERVICES.includes(symbol.name) ? service(symbol, checker) : [declaration(symbol, checker, exported)];
  const named = new Set(GROUPS.flatMap(([, names]) => names ?? []));
  const groups = name === 'keycell' ? GROUPS : [[`\`${name}\``, null]];
  return groups.flatMap(([title, names]) => {
    const chosen =
      names === null
        ? symbols.filter((symbol) => name !== 'keycell' || !named.has(symbol.name))
        : names.flatMap((each) => byName.get(each) ?? []);
    const fresh = chosen.filter((symbol) => !known.has(symbol.name));
    for (const symbol of fresh) known.add(symbol.name);
    return fresh.length === 0 ? [] : [`## ${title}\n`, ...fresh.flatMap(one)];
  });
}

/** The constants of src/model/limits.ts as a table: what each is, from its comment, and how much. */
async function limits() {
  const file = join(ROOT, 'src/model/limits.ts');
  const text = readFileSync(file, 'utf8');
  const { outputText } = ts.transpileModule(text, { compilerOptions: { module: ts.ModuleKind.ESNext } });
  const values = await import(`data:text/javascript,${encodeURIComponent(outputText)}`);
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const rows = source.statements.filter(ts.isVariableStatement).map((statement) => {
    const name = statement.declarationList.declarations[0].name.text;
    const comment = paragraphs(docsOf(statement)).replaceAll('\n', ' ').replace(/\.$/, '');
    return `| ${comment} | ${shownLimit(values[name])} |`;
  });
  return [`## Limits\n`, `${LIMITS}\n`, '| what | at most |\n|---|---|', `${rows.join('\n')}\n`].join('\n');
}

const shownLimit = (value) =>
  typeof value === 'number'
    ? amount(value)
    : `${amount(value.bytes)} bytes, ${value.depth} levels, ${amount(value.members)} members`;
/** 16 777 216 (16 MiB), as the pages write numbers. */
function amount(value) {
  const digits = String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
  if (value % 2 ** 20 === 0) return `${digits} (${value / 2 ** 20} Mi)`;
  return value >= 2 ** 16 && value % 1024 === 0 ? `${digits} (${value / 1024} Ki)` : digits;
}

async function reference() {
  const list = entries();
  const { program, outputs } = declarations(list.map(({ file }) => file));
  const checker = program.getTypeChecker();
  const known = new Set();
  const resolve = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
  const sections = list.flatMap(({ name }, i) => {
    const source = program.getSourceFile(outputs[i]);
    if (source === undefined) throw new Error(`${name} has no declarations: ${outputs[i]}`);
    const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(source)).map(resolve);
    return entry(name, symbols, checker, known);
  });
  return [INTRODUCTION, ...sections, await limits()].join('\n');
}

const text = await reference();
const shown = relative(process.cwd(), OUTPUT) || dirname(OUTPUT);
if (process.argv.includes('--check')) {
  const current = readFileSync(OUTPUT, 'utf8');
  if (current !== text) {
    console.error(`${shown} is not what the docstrings say: run npm run docs`);
    process.exit(1);
  }
} else writeFileSync(OUTPUT, text);
