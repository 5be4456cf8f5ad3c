import { type Configuration, Provider, type TokenEndpointGrantContext } from "oidc-provider";

export type GrantHandler = (ctx: TokenEndpointGrantContext) => void | Promise<void>;
type RegisterRest = Parameters<Provider["registerGrantType"]> extends [unknown, unknown, ...infer Rest] ? Rest : never;
export type GrantWrapper = (handler: GrantHandler, provider: Provider) => GrantHandler;

/**
 * The library's constructor registers its own grants by the public `registerGrantType`, so that an override sees each of
 * them with the parameter lists that the library chose: `resource` and `authorization_details` stay as configured.
 */
export function createProvider(
  issuer: string,
  configuration: Configuration,
  wrappers: Readonly<Record<string, GrantWrapper>>,
): Provider {
  class WrappedProvider extends Provider {
    override registerGrantType<Params extends object>(
      name: string,
      handler: (ctx: TokenEndpointGrantContext<Params>) => void | Promise<void>,
      ...rest: RegisterRest
    ) {
      const wrapped = wrappers[name]?.(handler as GrantHandler, this);
      super.registerGrantType<Params>(name, wrapped ?? handler, ...rest);
    }
  }
  return new WrappedProvider(issuer, configuration);
}
