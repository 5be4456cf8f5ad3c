import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { MigrationError } from "./migration-error.ts";
import type { Notes } from "./part.ts";

/** In the data folder, from the first run on. */
export const STATE_FILE = "migration.json";

const State = z.object({
  format: z.literal(1),
  migrationId: z.uuid(),
  parts: z.record(
    z.string(),
    z.object({ target: z.string(), completedAt: z.iso.datetime().optional(), notes: z.json().optional() }),
  ),
});
type State = z.output<typeof State>;

/** How far the migration of a data folder has come. Every change is on the disk when its call returns. */
export class StateFile {
  readonly #file: string;
  readonly #state: State;

  /** @throws MigrationError where there is a file that is something else */
  constructor(dataDir: string) {
    this.#file = join(dataDir, STATE_FILE);
    this.#state = existsSync(this.#file) ? read(this.#file) : { format: 1, migrationId: randomUUID(), parts: {} };
    this.#save();
  }

  get migrationId(): string {
    return this.#state.migrationId;
  }

  /** @throws MigrationError where the part was begun to somewhere else */
  begun(part: string, target: string): boolean {
    const known = this.#state.parts[part];
    if (known && known.target !== target)
      throw new MigrationError(
        `${part}: begun to be moved to ${known.target}, not to ${target}; without ${this.#file} it begins anew`,
      );
    return known !== undefined;
  }

  completedAt(part: string): string | undefined {
    return this.#state.parts[part]?.completedAt;
  }

  begin(part: string, target: string): void {
    this.#state.parts[part] ??= { target };
    this.#save();
  }

  complete(part: string): void {
    this.#part(part).completedAt ??= new Date().toISOString();
    this.#save();
  }

  notesOf(part: string): Notes {
    return {
      read: () => this.#part(part).notes,
      write: (notes) => {
        this.#part(part).notes = notes as NonNullable<State["parts"][string]["notes"]>;
        this.#save();
      },
    };
  }

  #part(part: string): State["parts"][string] {
    const known = this.#state.parts[part];
    if (!known) throw new Error(`${part} is not begun`);
    return known;
  }

  #save(): void {
    const draft = `${this.#file}.part`;
    writeFileSync(draft, `${JSON.stringify(this.#state, null, 2)}\n`, { mode: 0o600, flush: true });
    renameSync(draft, this.#file);
  }
}

function read(file: string): State {
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new MigrationError(`${file} is not JSON`);
  }
  const parsed = State.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new MigrationError(`${file}: ${issue?.path.join(".")}: ${issue?.message}`);
}
