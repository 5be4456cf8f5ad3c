import { MigrationError } from "./migration-error.ts";
import type { Comparison, MigrationPart } from "./part.ts";
import type { StateFile } from "./state-file.ts";

/** Differences that one line tells; the rest is counted. */
const TOLD_MAX = 3;

/**
 * Moves the parts, each where it was not moved yet, and compares both sides of each. Nothing is copied before every
 * target was found to be empty or this migration's own.
 *
 * @param say is told what was done, line by line
 * @throws MigrationError where a target holds something else, or the two sides are not the same
 */
export async function migrate(
  parts: readonly MigrationPart[],
  state: StateFile,
  say: (line: string) => void,
): Promise<void> {
  for (const part of parts) await part.claim(state.migrationId, state.begun(part.name, part.target));
  const differences: string[] = [];
  for (const part of parts) {
    const { name, target } = part;
    state.begin(name, target);
    const notes = state.notesOf(name);
    const completedAt = state.completedAt(name);
    if (completedAt === undefined) {
      say(`${name}: to ${target}`);
      await part.copy(notes);
    } else say(`${name}: moved to ${target} at ${completedAt}, compared only`);
    const found = await part.compare(notes);
    for (const comparison of found) say(lineOf(comparison));
    if (found.length === 0) say("  nothing is left to move");
    const apart = found.flatMap((comparison) => comparison.differences);
    differences.push(...apart);
    if (apart.length === 0) state.complete(name);
  }
  if (differences.length > 0) throw new MigrationError(`not the same on both sides: ${summaryOf(differences)}`);
}

const lineOf = ({ what, here, there, differences }: Comparison): string =>
  `  ${what}: ${here} here, ${there} there, ${differences.length === 0 ? "equal" : "NOT EQUAL"}`;

function summaryOf(differences: readonly string[]): string {
  const told = differences.slice(0, TOLD_MAX).join("; ");
  const rest = differences.length - TOLD_MAX;
  return rest > 0 ? `${told}; and ${rest} more` : told;
}
