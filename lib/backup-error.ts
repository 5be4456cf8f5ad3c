/** A backup or a restore cannot be done; the message says why, for whoever called the command. */
export class BackupError extends Error {
  override name = "BackupError";
}
