/** What the ```ts fragments of the pages leave to their reader. */
declare const passphrase: Uint8Array;
declare const password: Uint8Array;
declare const servicePassword: Uint8Array;
declare const openHsm: typeof import('keycell').openHsm;
declare const secretFile: typeof import('keycell').secretFile;
declare const readFile: typeof import('node:fs/promises').readFile;
