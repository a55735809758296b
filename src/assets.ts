/** What the package brings along of others, in `dist/assets`, or in the folder that a bundled program names. */
import { createRequire } from 'node:module';
import { mustHaveDescriptors } from './descriptors.ts';

/** More than a module opens at once while it loads: without any, Node says that there is no such module. */
const LOAD_DESCRIPTORS = 8;

/**
 * Load a module from there. By `require`: Node remembers for the life of the process that an `import` failed, for want of
 * descriptors, say. Throws EMFILE, MODULE_NOT_FOUND, and what the module throws.
 */
export function requireAsset(name: string, folder = new URL('../dist/assets/', import.meta.url)) {
  mustHaveDescriptors(LOAD_DESCRIPTORS);
  return createRequire(folder)(name);
}
