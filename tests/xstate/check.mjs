// Gives each configuration to XState, which resolves every target, and enters every transition: `npm ci && npm run check -- FILE…`.
// Fails if one is refused, or if there was none to check.
import { readFileSync } from 'node:fs';
import { createMachine } from 'xstate';

let checked = 0;
for (const file of process.argv.slice(2)) {
  checked += 1;
  try {
    const config = JSON.parse(readFileSync(file, 'utf8'));
    const machine = createMachine(config);
    const visit = (node) => {
      for (const transitions of node.transitions.values()) {
        for (const transition of transitions) {
          if (transition.target?.some((target) => target === undefined)) throw new Error(`${node.id}: no target`);
        }
      }
      Object.values(node.states).forEach(visit);
    };
    visit(machine.root);
  } catch (error) {
    console.error(`${file}: ${error.message}`);
    process.exitCode = 1;
  }
}
console.log(`${checked} configurations checked`);
if (checked === 0) process.exitCode = 1;
