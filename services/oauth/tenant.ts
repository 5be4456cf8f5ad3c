import type { Client } from "oidc-provider";

/** Every client is registered in one tenant, and acts in no other. */
export const tenantOfClient = (client: Client): string => String(client["tenant"]);
