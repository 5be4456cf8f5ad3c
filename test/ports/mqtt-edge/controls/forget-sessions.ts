// A build broken on purpose, loaded before the platform: sessions are kept in memory only.
import { EmbeddedEdge } from "../../../../services/mqtt-bridge/edge/embedded-edge.ts";

const { start } = EmbeddedEdge;
EmbeddedEdge.start = (policy, options) => start.call(EmbeddedEdge, policy, { ...options, sessionsFile: undefined });
