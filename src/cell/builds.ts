/** Which build of the crypto core runs here: the relaxed one where the machine is known to compute it right. */
import { HsmError } from '../errors.ts';

declare const WebAssembly: {
  readonly validate: (bytes: Uint8Array) => boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

export const CORE_FILES = { plain: 'core.wasm', relaxed: 'core-relaxed.wasm' } as const;
export type BuildName = keyof typeof CORE_FILES;

export interface CoreBuild {
  readonly core: Uint8Array;
  /** What the build's record says of it; the cell compares. */
  readonly digest: string;
}

/**
 * The build to run, out of the files that `read` gives. `wanted` overrides the choice, for tests and for a comparison;
 * KEYCELL_INPUT_INVALID where it names no build or one that this machine can't run.
 */
export function chooseBuild(read: (file: string) => Uint8Array, wanted: string | undefined): CoreBuild {
  const relaxed = wanted !== 'plain' && relaxedIsRight(read('probe.wasm'));
  const name = wanted ?? (relaxed ? 'relaxed' : 'plain');
  if (name !== 'plain' && name !== 'relaxed') {
    throw new HsmError('KEYCELL_INPUT_INVALID', `KEYCELL_SIMD is plain or relaxed, not ${name}`);
  }
  const file = CORE_FILES[name];
  const core = read(file);
  if (name === 'relaxed' && !relaxed) {
    throw new HsmError(
      'KEYCELL_INPUT_INVALID',
      'KEYCELL_SIMD=relaxed needs relaxed SIMD with a fused multiply-add, which this Node or this machine lacks',
    );
  }
  return { core, digest: digestOf(new TextDecoder().decode(read('core.sha256')), file) };
}

/** assembly/probe.ts: relaxed SIMD is there, and its multiply-add is fused. */
function relaxedIsRight(probe: Uint8Array): boolean {
  if (!WebAssembly.validate(probe)) return false;
  const { fused } = new WebAssembly.Instance(new WebAssembly.Module(probe), {}).exports as { fused(): number };
  return fused() === 1;
}

/** Lines as sha256sum writes them. */
export function digestOf(list: string, file: string): string {
  const line = list.split('\n').find((each) => each.endsWith(`  ${file}`));
  return line?.split(' ')[0] ?? '';
}
