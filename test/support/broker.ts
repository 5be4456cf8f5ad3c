import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceBroker, type ServiceSchema } from "moleculer";
import { brokerOptions } from "../../lib/broker-options.ts";
import type { ChannelBroker } from "../../lib/channels/middlewares.ts";
import { readConfig } from "../../lib/config.ts";
import type { ActionContract } from "../../lib/contract.ts";
import type { Caller, TypedBroker } from "../../lib/service.ts";
import { contracts } from "../../schemas/index.ts";

const promised = new Map<string, ActionContract>(
  contracts.flatMap(({ name, actions }) =>
    Object.entries(actions).map(([action, contract]): [string, ActionContract] => [`${name}.${action}`, contract]),
  ),
);

/**
 * A started broker with the embedded engines in a folder of its own, and a typed `call` that holds each result against
 * its contract.
 */
export async function startBroker(services: ServiceSchema[], env: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-"));
  const config = readConfig({ HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0", DATA_DIR: folder, ...env });
  const broker = new ServiceBroker({ ...brokerOptions(config), logger: false, skipProcessEventRegistration: true });
  for (const service of services) broker.createService(service);
  await broker.start();

  const call: Caller["call"] = async (action, params, opts) => {
    const result = await broker.call<unknown, unknown>(action, params, opts);
    return promised.get(action)?.result.parse(result) as never;
  };
  const stop = async () => {
    await broker.stop();
    rmSync(folder, { recursive: true });
  };
  const { facts } = broker as unknown as ChannelBroker;
  const lag = (channel: string, group: string) => facts.lag(channel, group);
  return { lag, broker: broker as ServiceBroker & Pick<TypedBroker, "publish">, call, stop, folder };
}

/** Calls as a tenant does that its credential names. */
export const as = (tenantId: string) => ({ meta: { tenantId } });
