import type { ServiceContract } from "./contract.ts";
import type { Handlers, NoUnknownFields } from "./service.ts";

/** Handlers as functions that say what they need of their service. */
type Group<H, T> = {
  [K in keyof H]: H[K] extends (...parameters: infer P) => infer R ? (this: T, ...parameters: P) => R : never;
};

/**
 * Some of a contract's actions, for a service with more of them than one file should have; each is typed as it is in
 * `defineService`, where the groups are spread into `actions` and held against the contract as a whole.
 *
 * @template T what the handlers use of their service: one that lacks a part of it does not compile.
 */
export const actionGroup =
  <C extends ServiceContract, T>() =>
  <H extends Partial<Handlers<C, T>>>(handlers: H & NoUnknownFields<C, H>): Group<H, T> =>
    // Cast: the mapped type only makes `this` explicit.
    handlers as unknown as Group<H, T>;
