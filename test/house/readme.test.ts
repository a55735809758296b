/** The README's first snippet runs as pasted. */
import { test } from 'vitest';
import { expectSnippet } from '../support/snippet.ts';

test("the README's snippet runs as pasted", () => expectSnippet('README.md'));
