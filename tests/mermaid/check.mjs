// Feeds every ```mermaid block of the given files to Mermaid's own parser: `npm ci && npm run check -- FILE…`.
// Fails if one is refused, or if there was none to check.
import { readFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';

const { window } = new JSDOM('');
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import('mermaid');

let checked = 0;
for (const file of process.argv.slice(2)) {
  for (const [, block] of readFileSync(file, 'utf8').matchAll(/```mermaid\r?\n(.*?)```/gs)) {
    checked += 1;
    try {
      await mermaid.parse(block);
    } catch (error) {
      console.error(`${file}: ${error.message}\n${block}`);
      process.exitCode = 1;
    }
  }
}
console.log(`${checked} diagrams checked`);
if (checked === 0) process.exitCode = 1;
