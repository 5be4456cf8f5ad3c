/** One kind of data on both sides, as it was found. */
export interface Comparison {
  /** What is compared: `readings`, `facts of telemetry.received`. */
  what: string;
  here: string;
  there: string;
  /** What is not the same, each in one line that names it; empty where all is. */
  differences: string[];
}

/** What a part has to remember from one run to the next, as JSON; kept in the data folder, durably. */
export interface Notes {
  read(): unknown;
  write(notes: unknown): void;
}

/** What moves from one file of the data folder to one engine. */
export interface MigrationPart {
  readonly name: string;
  /** Engine and place, without user and password. */
  readonly target: string;
  /**
   * Makes sure that the target is this migration's: empty where it is not begun, and not in use by a platform.
   *
   * @param migrationId of the data folder, the same in every run
   * @throws MigrationError saying what the target holds
   */
  claim(migrationId: string, begun: boolean): Promise<void>;
  /** Copies what is not there yet. May be cut off anywhere: the next call goes on, and nothing is there twice. */
  copy(notes: Notes): Promise<void>;
  compare(notes: Notes): Promise<Comparison[]>;
  close(): Promise<void>;
}
