// Gives each configuration to XState, which resolves every target, and enters every transition: `npm ci && npm run check -- FILE…`.
// A wait fires a transition that describes it. Fails if one is refused, or if there was none to check.
import { readFileSync } from 'node:fs';
import { createMachine } from 'xstate';

let [checked, waits] = [0, 0];
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
      for (const { event } of node.meta?.waits ?? []) {
        const fired = node.transitions.get(event) ?? [];
        if (!fired.some(({ description }) => description?.includes('when '))) throw new Error(`${node.id}: no ${event}`);
        waits += 1;
      }
      Object.values(node.states).forEach(visit);
    };
    visit(machine.root);
  } catch (error) {
    console.error(`${file}: ${error.message}`);
    process.exitCode = 1;
  }
}
console.log(`${checked} configurations checked, ${waits} waits`);
if (checked === 0 || waits === 0) process.exitCode = 1;
