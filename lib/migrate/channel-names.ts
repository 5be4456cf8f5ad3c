import { DEAD, deadChannelOf } from "../channels/dead-cause.ts";
import { MigrationError } from "./migration-error.ts";

/**
 * The channel that a name in a channel file stands for: that of a declared one, or of its dead letters, behind whatever
 * namespace the platform had then.
 *
 * @throws MigrationError where this version declares no such channel
 */
export function declaredName(stored: string, declared: readonly string[], file: string): string {
  const names = declared.flatMap((name) => [name, deadChannelOf(name)]);
  const found = names.find((name) => stored === name || stored.endsWith(`.${name}`));
  if (found === undefined) throw new MigrationError(`${file} has the channel '${stored}', which is not declared`);
  return found;
}

/** @throws MigrationError where two channels of a file, of two namespaces, would become one */
export function checkApart(names: readonly string[], file: string): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new MigrationError(`${file} has the channel '${twice}' of two namespaces`);
}

/** With the namespace of the platform that takes over. */
export const prefixed = (name: string, namespace: string | undefined): string =>
  namespace === undefined ? name : `${namespace}.${name}`;

export const withoutDead = (name: string): string => (name.endsWith(DEAD) ? name.slice(0, -DEAD.length) : name);
