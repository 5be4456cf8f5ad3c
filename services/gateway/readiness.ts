/** Why the platform is not ready, one text for each reason; none where it is. */
export function unreadiness(
  expected: readonly string[],
  running: ReadonlySet<string>,
  troubles: readonly string[],
): string[] {
  return [
    ...expected.filter((name) => !running.has(name)).map((name) => `service ${name} is not running`),
    // Several processes may use one engine.
    ...new Set(troubles),
  ];
}
