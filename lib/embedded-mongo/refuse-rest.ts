import { refuse } from "./errors.ts";

/** The methods of a class of the driver's, without getters and the constructor. */
export function methodsOf(driverClass: { prototype: object }): string[] {
  const descriptors = Object.entries(Object.getOwnPropertyDescriptors(driverClass.prototype));
  return descriptors.flatMap(([name, { value }]) =>
    typeof value === "function" && name !== "constructor" ? [name] : [],
  );
}

/** Gives a look-alike the driver's other methods, so that what is missing is refused by name and not "not a function". */
export function refuseRest(
  lookAlike: { prototype: object },
  driverClass: { prototype: object },
  isAsync: (method: string) => boolean,
): void {
  for (const method of methodsOf(driverClass)) {
    if (method in lookAlike.prototype) continue;
    Object.defineProperty(lookAlike.prototype, method, {
      value: isAsync(method) ? async () => refuse(method) : () => refuse(method),
    });
  }
}
