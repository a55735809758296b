/** What the ```ts fragments of the pages leave to their reader. */
declare const openHsm: typeof import('keycell').openHsm;
