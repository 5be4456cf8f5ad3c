/** A migration cannot be done, or did not come out equal; the message says why, for whoever called the command. */
export class MigrationError extends Error {
  override name = "MigrationError";
}
