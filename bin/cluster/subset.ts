import type { ComposeFile, ComposeService } from "./compose-file.ts";

/**
 * The topology without some of its services, and without those that a profile keeps for other occasions: nobody waits for
 * them, and a variable that leads to one is set to nothing.
 *
 * @throws Error where a name is not there
 */
export function without(file: ComposeFile, names: readonly string[], profiles: readonly string[] = []): ComposeFile {
  const unknown = names.find((name) => !Object.hasOwn(file.services, name));
  if (unknown !== undefined) throw new Error(`no service is called ${unknown}`);
  const kept = Object.entries(file.services).filter(
    ([name, service]) =>
      !names.includes(name) &&
      (service.profiles.length === 0 || service.profiles.some((one) => profiles.includes(one))),
  );
  const here = new Set(kept.map(([name]) => name));
  const gone = Object.keys(file.services).filter((name) => !here.has(name));
  const leads = (value: string) => gone.some((name) => new RegExp(`(^|[/@,])${name}:\\d`).test(value));
  const cut = (service: ComposeService): ComposeService => ({
    ...service,
    environment: Object.fromEntries(
      Object.entries(service.environment).map(([name, value]) => [name, leads(value) ? "" : value]),
    ),
    depends_on: Object.fromEntries(Object.entries(service.depends_on).filter(([name]) => here.has(name))),
  });
  return { ...file, services: Object.fromEntries(kept.map(([name, service]) => [name, cut(service)])) };
}
